// Both raw pictures of a pair to a model's inputs, in one launch: rectify, resize or pad, colour, normalise, lay out.

enum Order { GREY = 0, RGB = 1, BGR = 2 };

struct Preparation {
    Camera camera;
    int fitted_height, fitted_width;  // of the model's inputs
    int row_taps, column_taps;        // rectified rows and columns that a fitted pixel is made of
    int order, planar, kind;
    float scale, mean[3], std[3];     // by the model's channels
};

// A fitted pixel is the weighted sum of row_taps x column_taps rectified ones, from rows[y] and columns[x] on; with one
// tap of weight 1 the picture keeps its size, and what is padded repeats its last row and column.
// grid: x, y over the fitted picture, z: 0 left, 1 right.
extern "C" __global__ void prepare(
    const Preparation* how, const u8* left, const u8* right,
    const short* left_places, const u16* left_fractions, const short* right_places, const u16* right_fractions,
    const int* rows, const float* row_weights, const int* columns, const float* column_weights,
    void* left_tensor, void* right_tensor
) {
    const int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= how->fitted_width || y >= how->fitted_height) return;
    const bool second = blockIdx.z == 1;
    const u8* picture = second ? right : left;
    const short* places = second ? right_places : left_places;
    const u16* fractions = second ? right_fractions : left_fractions;
    void* tensor = second ? right_tensor : left_tensor;
    const Camera* camera = &how->camera;
    const int source = camera->channels, channels = how->order == GREY ? 1 : 3;

    int pixel[3];
    float sum[3] = {0.0f, 0.0f, 0.0f};
    for (int i = 0; i < how->row_taps; ++i) {
        for (int j = 0; j < how->column_taps; ++j) {
            const float weight = row_weights[y * how->row_taps + i] * column_weights[x * how->column_taps + j];
            if (weight == 0.0f) continue;  // beyond the picture, or not needed
            rectified(camera, picture, places, fractions, rows[y] + i, columns[x] + j, pixel);
            if (channels == 1 && source == 3) pixel[0] = grey(pixel);
            for (int c = 0; c < channels && c < source; ++c) sum[c] += weight * (float)pixel[c];
        }
    }
    for (int c = 0; c < channels; ++c) {
        const int from = source == 1 ? 0 : how->order == BGR ? 2 - c : c;
        const float rounded = floorf(sum[channels == 1 ? 0 : from] + 0.5f);
        const float value = (rounded * how->scale - how->mean[c]) / how->std[c];
        const long plane = (long)how->fitted_height * how->fitted_width, at = (long)y * how->fitted_width + x;
        store(tensor, how->planar ? c * plane + at : at * channels + c, how->kind, value);
    }
}
