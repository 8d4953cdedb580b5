// What all kernels share. They are compiled with this file in front, by NVRTC for a GPU and by a C++ compiler for the
// tests, so there is nothing here but plain C++: no header of CUDA's, no intrinsics, no half type.
//
// Arithmetic is that of the CPU's path, operation by operation, and is compiled without fused multiply-add: what comes
// out is the same to the last bit, but where an output is float16 or a picture is resized.

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;

enum Kind { BYTES = 0, HALVES = 1, FLOATS = 2 };

union Bits {
    float number;
    u32 word;
};

// IEEE binary16 from binary32, to nearest, ties to even; what is too large becomes infinity, as in numpy.
__device__ u16 to_half(float number) {
    Bits bits;
    bits.number = number;
    const u32 sign = bits.word >> 16 & 0x8000u, magnitude = bits.word & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return (u16)(sign | 0x7e00u);
    if (magnitude >= 0x477ff000u) return (u16)(sign | 0x7c00u);  // 65520 and more
    if (magnitude < 0x33000001u) return (u16)sign;               // 2^-25 and less
    u32 exponent = magnitude >> 23, mantissa = magnitude & 0x7fffffu, shift = 13;
    if (exponent < 113) {  // below 2^-14: a subnormal
        mantissa |= 0x800000u;
        shift = 126 - exponent;
        exponent = 0;
    } else {
        exponent -= 112;
    }
    u32 half = exponent << 10 | mantissa >> shift;
    if (exponent == 0) half = mantissa >> shift;
    const u32 rest = mantissa & ((1u << shift) - 1u), middle = 1u << (shift - 1);
    if (rest > middle || (rest == middle && (half & 1u))) half += 1u;  // may carry into the exponent, rightly
    return (u16)(sign | half);
}

__device__ float from_half(u16 half) {
    Bits bits;
    const u32 sign = (u32)(half & 0x8000u) << 16, exponent = half >> 10 & 31u, mantissa = half & 0x3ffu;
    if (exponent == 31u) {
        bits.word = sign | 0x7f800000u | mantissa << 13;
    } else if (exponent) {
        bits.word = sign | (exponent + 112u) << 23 | mantissa << 13;
    } else {
        bits.number = (float)mantissa * 5.9604644775390625e-8f;  // 2^-24
        bits.word |= sign;
    }
    return bits.number;
}

__device__ float load(const void* values, long at, int kind) {
    if (kind == FLOATS) return ((const float*)values)[at];
    if (kind == HALVES) return from_half(((const u16*)values)[at]);
    return (float)((const u8*)values)[at];
}

__device__ void store(void* values, long at, int kind, float number) {
    if (kind == FLOATS) ((float*)values)[at] = number;
    else if (kind == HALVES) ((u16*)values)[at] = to_half(number);
    else ((u8*)values)[at] = (u8)number;
}

// A camera's picture, and where its rectified pixels come from.
struct Camera {
    int raw_height, raw_width, channels;  // as it came: 1 grey or 3 RGB, bytes
    int height, width;                    // rectified
    int rectify;                          // 0: it came rectified
};

// One pixel of the rectified picture, of which `channels` values are set: OpenCV's remap, bilinear in steps of 1/32 px,
// black outside. `places` (height, width, 2) x y and `fractions` (height, width) 32 fy + fx are OpenCV's CV_16SC2 maps.
__device__ void rectified(
    const Camera* camera, const u8* picture, const short* places, const u16* fractions, int y, int x, int* pixel
) {
    const long at = (long)y * camera->width + x;
    const int channels = camera->channels;
    if (!camera->rectify) {
        for (int c = 0; c < channels; ++c) pixel[c] = picture[at * channels + c];
        return;
    }
    const int left = places[2 * at], top = places[2 * at + 1], fx = fractions[at] & 31, fy = fractions[at] >> 5;
    for (int c = 0; c < channels; ++c) pixel[c] = 512;
    for (int tap = 0; tap < 4; ++tap) {
        const int row = top + tap / 2, column = left + tap % 2;
        if (row < 0 || row >= camera->raw_height || column < 0 || column >= camera->raw_width) continue;
        const int weight = (tap % 2 ? fx : 32 - fx) * (tap / 2 ? fy : 32 - fy);
        const u8* found = picture + ((long)row * camera->raw_width + column) * channels;
        for (int c = 0; c < channels; ++c) pixel[c] += weight * found[c];
    }
    for (int c = 0; c < channels; ++c) pixel[c] >>= 10;
}

// ITU-R BT.601, rounded as OpenCV does.
__device__ int grey(const int* pixel) {
    return (pixel[0] * 9798 + pixel[1] * 19235 + pixel[2] * 3735 + 16384) >> 15;
}
