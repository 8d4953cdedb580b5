// A model's disparity to metric depth and to coloured points, at the size of the rectified picture, in one launch.

struct Triangulation {
    Camera camera;                                    // of the left picture, for the points' colours
    int raw_width, raw_kind, sure_width, sure_kind;   // of the model's disparity and confidence planes
    float factor, offset_px, most_px, zoom;           // disparity = (x factor + offset_px) zoom, 0 < x .. <= most_px
    float cx_offset_px, fB, min_m, max_m;             // depth = fB / (disparity + cx_offset_px), within the range
    int min_confidence;                               // of 255, at least 1
    int step, points_height, points_width;            // every step-th pixel and row is a point, from step / 2 on
};

// rows, columns (and sure_*): where the picture's rows and columns are in the model's planes, what was padded left out.
// right (points_width,), down (points_height,): x and y of a point one metre ahead.
// NaN stands for none; certainty of the disparity and confidence of the depth that is kept are 0 there.
// points (points_height, points_width, 4): x y z, and b g r 0 as bytes.
extern "C" __global__ void triangulate(
    const Triangulation* how, const void* raw, const void* sure,
    const int* rows, const int* columns, const int* sure_rows, const int* sure_columns,
    const u8* picture, const short* places, const u16* fractions, const float* right, const float* down,
    float* disparity_px, u8* certainty, float* depth_m, u8* confidence, float* points
) {
    const int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    const Camera* camera = &how->camera;
    if (x >= camera->width || y >= camera->height) return;
    const long at = (long)y * camera->width + x;
    Bits none;
    none.word = 0x7fc00000u;

    const float given = load(raw, (long)rows[y] * how->raw_width + columns[x], how->raw_kind);
    const float px = given * how->factor + how->offset_px;
    const bool matched = px > 0.0f && px <= how->most_px;  // NaN compares false
    const float disparity = matched ? px * how->zoom : none.number;

    float share = load(sure, (long)sure_rows[y] * how->sure_width + sure_columns[x], how->sure_kind);
    if (how->sure_kind != BYTES) share = (share > 0.0f ? (share < 1.0f ? share : 1.0f) : 0.0f) * 255.0f;
    const int found = matched ? (int)share : 0;

    const float metres = how->fB / (disparity + how->cx_offset_px);
    const bool kept = metres >= how->min_m && metres <= how->max_m && found >= how->min_confidence;
    const float z = kept ? metres : none.number;
    disparity_px[at] = disparity;
    certainty[at] = (u8)found;
    depth_m[at] = z;
    confidence[at] = (u8)(kept ? found : 0);

    const int first = how->step / 2;
    if (x < first || y < first || (x - first) % how->step || (y - first) % how->step) return;
    const int i = (y - first) / how->step, j = (x - first) / how->step;
    if (i >= how->points_height || j >= how->points_width) return;
    int pixel[3];
    rectified(camera, picture, places, fractions, y, x, pixel);
    const bool coloured = camera->channels == 3;
    Bits packed;
    packed.word = (u32)pixel[0] << 16 | (u32)pixel[coloured ? 1 : 0] << 8 | (u32)pixel[coloured ? 2 : 0];
    float* point = points + 4 * ((long)i * how->points_width + j);
    point[0] = z * right[j];
    point[1] = z * down[i];
    point[2] = z;
    point[3] = packed.number;
}
