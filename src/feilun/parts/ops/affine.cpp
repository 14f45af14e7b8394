// Affine changes of whole batches of pictures: bilinear, the edge continued outwards, as torch's affine_grid and
// grid_sample (align_corners=False) compute them, without a grid in memory. See affine.py.

#include <algorithm>
#include <cstdint>
#include <vector>

namespace {

float within(float place, float last) { return place > 0 ? std::min(place, last) : 0; }  // not a number becomes 0

// One row of the outcome in all channels. m: where an output pixel comes from, in pixels: x = m0 j + m1 i + m2, ...
void row(const float* picture, float* made, const float* m, int64_t i, int64_t channels, int height, int width,
         int* place, int* right, int* below, float* across, float* down) {
  const float first_x = m[1] * i + m[2], first_y = m[4] * i + m[5], last_x = width - 1, last_y = height - 1;
#pragma omp simd
  for (int j = 0; j < width; ++j) {
    const float x = within(m[0] * j + first_x, last_x), y = within(m[3] * j + first_y, last_y);
    const int left = static_cast<int>(x), top = static_cast<int>(y);
    place[j] = top * width + left;
    right[j] = left < width - 1 ? 1 : 0;
    below[j] = top < height - 1 ? width : 0;
    across[j] = x - left;
    down[j] = y - top;
  }
  for (int64_t channel = 0; channel < channels; ++channel) {
    const float* source = picture + channel * height * width;
    float* out = made + channel * height * width + i * width;
#pragma omp simd
    for (int j = 0; j < width; ++j) {
      const int at = place[j], under = at + below[j];
      const float upper = source[at] + across[j] * (source[at + right[j]] - source[at]);
      const float lower = source[under] + across[j] * (source[under + right[j]] - source[under]);
      out[j] = upper + down[j] * (lower - upper);
    }
  }
}

}  // namespace

// pictures, made: (count, channels, height, width); matrices: (count, 6), in pixels.
extern "C" void resample(const float* pictures, float* made, const float* matrices, int64_t count, int64_t channels,
                         int64_t height, int64_t width, int64_t threads) {
#pragma omp parallel num_threads(static_cast<int>(threads))
  {
    std::vector<int> whole(3 * width);
    std::vector<float> shares(2 * width);
#pragma omp for schedule(static)
    for (int64_t line = 0; line < count * height; ++line) {
      const int64_t one = line / height, size = channels * height * width;
      row(pictures + one * size, made + one * size, matrices + 6 * one, line % height, channels,
          static_cast<int>(height), static_cast<int>(width), whole.data(), whole.data() + width,
          whole.data() + 2 * width, shares.data(), shares.data() + width);
    }
  }
}
