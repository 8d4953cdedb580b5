// What comes between the two graphs of a model that has two; see engines/two_graphs.py for what each step is.

// features (groups each, pixels) -> unit, in which each group of channels has length one at every pixel.
// grid: x over pixels, z over groups.
extern "C" __global__ void unit_groups(const void* features, int kind, float* unit, int groups, int each, int pixels) {
    const int x = blockIdx.x * blockDim.x + threadIdx.x, group = blockIdx.z;
    if (x >= pixels || group >= groups) return;
    const long first = (long)group * each * pixels + x;
    float sum = 0.0f;
    for (int c = 0; c < each; ++c) {
        const float value = load(features, first + (long)c * pixels, kind);
        sum += value * value;
    }
    float length = sqrtf(sum);
    if (length < 1e-12f) length = 1e-12f;
    for (int c = 0; c < each; ++c) {
        const long at = first + (long)c * pixels;
        unit[at] = load(features, at, kind) / length;
    }
}

// volume (groups, disparities, height, width): sum over a group of left times right, moved right by d; 0 outside.
// grid: x over columns, y over rows, z over groups x disparities.
extern "C" __global__ void correlate(
    const void* left, const void* right, int kind, void* volume, int volume_kind,
    int groups, int each, int disparities, int height, int width
) {
    const int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    const int group = blockIdx.z / disparities, d = blockIdx.z % disparities;
    if (x >= width || y >= height || group >= groups) return;
    const long plane = (long)height * width, at = (long)y * width + x;
    float sum = 0.0f;
    if (x >= d) {
        for (int c = group * each; c < (group + 1) * each; ++c)
            sum += load(left, c * plane + at, kind) * load(right, c * plane + at - d, kind);
    }
    store(volume, (long)blockIdx.z * plane + at, volume_kind, sum);
}

// picture (planes, 2 height, 2 width) -> half (planes, height, width), each pixel the mean of four.
// grid: x over columns, y over rows, z over planes.
extern "C" __global__ void halve(const void* picture, int kind, void* half, int planes, int height, int width) {
    const int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y, plane = blockIdx.z;
    if (x >= width || y >= height || plane >= planes) return;
    const long at = ((long)plane * 2 * height + 2 * y) * 2 * width + 2 * x;
    const float upper = load(picture, at, kind) + load(picture, at + 1, kind);
    const float lower = load(picture, at + 2L * width, kind) + load(picture, at + 2L * width + 1, kind);
    store(half, ((long)plane * height + y) * width + x, kind, (upper + lower) / 4.0f);
}
