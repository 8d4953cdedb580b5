// Enough of CUDA C for a C++ compiler: the kernels' own text runs on the CPU, thread after thread.

#pragma once
#include <math.h>

#include <cstddef>
#include <utility>

#define __global__
#define __device__ static inline

struct Dim {
    unsigned x, y, z;
};
static Dim gridDim, blockDim, blockIdx, threadIdx;

// As cuLaunchKernel: arguments are pointers to each argument, of the type that the kernel declares.
template <typename... Types, std::size_t... I>
void launch(void (*kernel)(Types...), void** arguments, std::index_sequence<I...>) {
    for (blockIdx.z = 0; blockIdx.z < gridDim.z; ++blockIdx.z)
        for (blockIdx.y = 0; blockIdx.y < gridDim.y; ++blockIdx.y)
            for (blockIdx.x = 0; blockIdx.x < gridDim.x; ++blockIdx.x)
                for (threadIdx.z = 0; threadIdx.z < blockDim.z; ++threadIdx.z)
                    for (threadIdx.y = 0; threadIdx.y < blockDim.y; ++threadIdx.y)
                        for (threadIdx.x = 0; threadIdx.x < blockDim.x; ++threadIdx.x)
                            kernel(*static_cast<Types*>(arguments[I])...);
}

template <typename... Types>
void launch(void (*kernel)(Types...), const unsigned* grid, const unsigned* block, void** arguments) {
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {block[0], block[1], block[2]};
    launch(kernel, arguments, std::index_sequence_for<Types...>{});
}

#define LAUNCHED(kernel)                                                                                    \
    extern "C" void launch_##kernel(const unsigned* grid, const unsigned* block, void** arguments) {        \
        launch(kernel, grid, block, arguments);                                                             \
    }
