// Affine changes of whole batches of pictures: bilinear, the edge continued outwards, as torch's affine_grid and
// grid_sample (align_corners=False) compute them, without a grid in memory. See affine.py.
//
// Four channels lie side by side while a picture is read, so that each corner of a pixel is one load of four numbers;
// vectors gathered from single places take twice the time on processors whose gathers are slow.

#include <algorithm>
#include <cstdint>
#include <vector>

namespace {

constexpr int kLanes = 4;
typedef float Lanes __attribute__((vector_size(kLanes * sizeof(float))));

float within(float place, float last) { return place > 0 ? std::min(place, last) : 0; }  // not a number becomes 0

// Where the pixels of one row come from: the place of the upper left corner, and the shares of the others.
struct Row {
  explicit Row(int width) : place(width), right(width), below(width), across(width), down(width), made(width) {}

  void look(const float* m, int i, int height, int width) {
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
  }

  void mix(const Lanes* source, int width) {
    for (int j = 0; j < width; ++j) {
      const Lanes *upper = source + place[j], *lower = upper + below[j];
      const Lanes above = upper[0] + across[j] * (upper[right[j]] - upper[0]);
      const Lanes under = lower[0] + across[j] * (lower[right[j]] - lower[0]);
      made[j] = above + down[j] * (under - above);
    }
  }

  std::vector<int> place, right, below;
  std::vector<float> across, down;
  std::vector<Lanes> made;
};

}  // namespace

// pictures, made: (count, channels, height, width); matrices: (count, 6), in pixels.
extern "C" void resample(const float* pictures, float* made, const float* matrices, int64_t count, int64_t channels,
                         int64_t height, int64_t width, int64_t threads) {
  const int64_t size = height * width;
#pragma omp parallel num_threads(static_cast<int>(threads))
  {
    Row row(static_cast<int>(width));
    std::vector<Lanes> beside(size);
#pragma omp for schedule(static)
    for (int64_t one = 0; one < count; ++one) {
      for (int64_t first = 0; first < channels; first += kLanes) {
        const int several = static_cast<int>(std::min<int64_t>(kLanes, channels - first));
        const float* from = pictures + (one * channels + first) * size;
        float* into = made + (one * channels + first) * size;
        for (int64_t pixel = 0; pixel < size; ++pixel) {
          for (int lane = 0; lane < several; ++lane) beside[pixel][lane] = from[lane * size + pixel];
        }
        for (int64_t i = 0; i < height; ++i) {
          row.look(matrices + 6 * one, static_cast<int>(i), static_cast<int>(height), static_cast<int>(width));
          row.mix(beside.data(), static_cast<int>(width));
          for (int lane = 0; lane < several; ++lane) {
            for (int64_t j = 0; j < width; ++j) into[lane * size + i * width + j] = row.made[j][lane];
          }
        }
      }
    }
  }
}
