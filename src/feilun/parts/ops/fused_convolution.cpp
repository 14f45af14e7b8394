// Convolution + bias + ReLU + pooling in one pass over memory, forward and backward, on contiguous NCHW arrays.
//
// A vector holds one pixel of as many output channels as a register has lanes; the pooling window is the tile that is
// computed together, so that neither the maps before pooling nor their gradients are ever written. Images are dealt into
// CHUNKS whose sums are added in order: the result does not depend on the number of threads.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <type_traits>

namespace {

#if defined(__AVX512F__)
constexpr int BYTES = 64, TOGETHER = 2;  // of a register; vectors of channels in one tile
#elif defined(__AVX__)
constexpr int BYTES = 32, TOGETHER = 1;
#else
constexpr int BYTES = 16, TOGETHER = 1;
#endif
constexpr int CHUNKS = 32;
constexpr int DEAD = 255;  // instead of the number of the pixel that won: none, ReLU gave 0

struct Shape {
    int64_t images, channels, height, width, outputs, kernel, padding, pool, maximum, threads;
    int64_t rows() const { return (height + 2 * padding - kernel + 1) / pool; }
    int64_t columns() const { return (width + 2 * padding - kernel + 1) / pool; }
    int64_t pixels() const { return rows() * columns(); }
    int64_t tall() const { return height + 2 * padding; }
    int64_t wide() const { return width + 2 * padding; }
    int64_t field() const { return channels * tall() * wide(); }
    int64_t taps() const { return kernel * kernel; }
    int64_t window() const { return pool * pool; }
    int64_t marks() const { return maximum ? 1 : window(); }  // vectors of bytes kept for each pooled pixel
};

template <class T> struct Lanes {
    static constexpr int count = BYTES / sizeof(T);
    typedef T vec __attribute__((vector_size(BYTES)));
    typedef typename std::conditional<sizeof(T) == 4, int32_t, int64_t>::type whole;
    typedef whole mask __attribute__((vector_size(BYTES)));  // all ones where something holds, or small numbers
    typedef uint8_t bytes __attribute__((vector_size(count)));
    static int64_t blocks(int64_t channels) { return (channels + count - 1) / count; }
};

template <class V> inline V load(const void* from) {
    V value;
    std::memcpy(&value, from, sizeof(V));
    return value;
}

template <class V> inline void store(void* to, V value) { std::memcpy(to, &value, sizeof(V)); }

template <class T> struct Scratch {  // aligned, zero to begin with
    T* data;
    explicit Scratch(int64_t count) {
        int64_t size = (count * sizeof(T) + 127) / 64 * 64;
        data = static_cast<T*>(std::aligned_alloc(64, size));
        std::memset(data, 0, size);
    }
    Scratch(const Scratch&) = delete;
    ~Scratch() { std::free(data); }
};

// (channels, height, width) with zeros around; the picture itself where there is no padding.
template <class T> const T* padded(const Shape& s, const T* picture, T* scratch) {
    if (!s.padding) return picture;
    for (int64_t c = 0; c < s.channels; c++)
        for (int64_t y = 0; y < s.height; y++)
            std::memcpy(scratch + (c * s.tall() + y + s.padding) * s.wide() + s.padding,
                        picture + (c * s.height + y) * s.width, s.width * sizeof(T));
    return scratch;
}

// A square of lanes x lanes values is turned in registers; ragged edges one by one.
template <class T> void turn(const T* from, int64_t from_stride, T* to, int64_t to_stride) {
    constexpr int N = Lanes<T>::count;
    using vec = typename Lanes<T>::vec;
    using mask = typename Lanes<T>::mask;
    vec row[N];
    for (int i = 0; i < N; i++) row[i] = load<vec>(from + i * from_stride);
#pragma GCC unroll 4
    for (int step = 1; step < N; step *= 2) {
        mask low, high;
        for (int i = 0; i < N; i++) {
            low[i] = i & step ? N + i - step : i;
            high[i] = i & step ? N + i : i + step;
        }
#pragma GCC unroll 16
        for (int i = 0; i < N; i++)
            if (!(i & step)) {
                vec a = row[i], b = row[i + step];
                row[i] = __builtin_shuffle(a, b, low);
                row[i + step] = __builtin_shuffle(a, b, high);
            }
    }
    for (int i = 0; i < N; i++) store(to + i * to_stride, row[i]);
}

// (rows, columns) -> (columns, rows), with strides of their own.
template <class T>
void transposed(const T* from, int64_t rows, int64_t columns, int64_t from_stride, T* to, int64_t to_stride) {
    constexpr int N = Lanes<T>::count;
    for (int64_t i = 0; i < rows; i += N)
        for (int64_t j = 0; j < columns; j += N) {
            if (i + N <= rows && j + N <= columns) {
                turn(from + i * from_stride + j, from_stride, to + j * to_stride + i, to_stride);
                continue;
            }
            for (int64_t y = i; y < rows && y < i + N; y++)
                for (int64_t x = j; x < columns && x < j + N; x++) to[x * to_stride + y] = from[y * from_stride + x];
        }
}

// (outputs, channels, taps) -> (blocks, channels, taps, lanes)
template <class T> void packed(const Shape& s, const T* weight, T* to) {
    constexpr int N = Lanes<T>::count;
    int64_t each = s.channels * s.taps();
    for (int64_t o = 0; o < s.outputs; o++)
        for (int64_t i = 0; i < each; i++) to[(o / N * each + i) * N + o % N] = weight[o * each + i];
}

// Pooled values of TOGETHER (or one) vectors of channels over one image. K, P, C: 0 where known only now.
template <class T, int K, int P, int C, int V>
void forward_block(const Shape& s, const T* in, const T* weight, const T* bias, T* out, uint8_t* chosen) {
    constexpr int N = Lanes<T>::count, TILE = P ? P : 1;
    using vec = typename Lanes<T>::vec;
    using mask = typename Lanes<T>::mask;
    using bytes = typename Lanes<T>::bytes;
    using whole = typename Lanes<T>::whole;
    const int64_t kernel = K ? K : s.kernel, pool = P ? P : s.pool, channels = C ? C : s.channels;
    const int64_t taps = kernel * kernel, wide = s.wide(), plane = s.tall() * wide, stride = Lanes<T>::blocks(s.outputs) * N;
    const T share = T(1) / (pool * pool);
    for (int64_t y = 0; y < s.rows(); y++)
        for (int64_t x = 0; x < s.columns(); x++) {
            const int64_t pixel = y * s.columns() + x;
            vec best[V] = {};
            mask winner[V] = {};
            for (int64_t tile = 0; tile < pool * pool; tile += TILE * TILE) {
                const T* corner = in + (y * pool + tile / pool) * wide + x * pool + tile % pool;
                vec sum[V][TILE * TILE];
                for (int v = 0; v < V; v++)
                    for (int q = 0; q < TILE * TILE; q++) sum[v][q] = load<vec>(bias + v * N);
                for (int64_t c = 0; c < channels; c++)
                    for (int64_t ky = 0; ky < kernel; ky++)
                        for (int64_t kx = 0; kx < kernel; kx++)
                            for (int v = 0; v < V; v++) {
                                vec w = load<vec>(weight + ((v * channels + c) * taps + ky * kernel + kx) * N);
                                for (int qy = 0; qy < TILE; qy++)
                                    for (int qx = 0; qx < TILE; qx++)
                                        sum[v][qy * TILE + qx] += w * corner[c * plane + (qy + ky) * wide + qx + kx];
                            }
                for (int v = 0; v < V; v++)
                    for (int q = 0; q < TILE * TILE; q++) {
                        vec value = sum[v][q];
                        if (s.maximum) {  // as torch: the first of equals, and NaN beats all
                            mask wins = (value > best[v]) | (value != value);
                            if (tile + q == 0) wins = wins | ~wins;
                            best[v] = wins ? value : best[v];
                            winner[v] = wins ? mask{} + whole(tile + q) : winner[v];
                        } else {
                            mask alive = ~(value <= T(0));
                            best[v] += alive ? value * share : vec{};
                            if (chosen)
                                store(chosen + (pixel * pool * pool + tile + q) * stride + v * N,
                                      __builtin_convertvector(alive & 1, bytes));
                        }
                    }
            }
            for (int v = 0; v < V; v++) {
                if (s.maximum) {
                    mask dead = best[v] <= T(0);
                    best[v] = dead ? vec{} : best[v];
                    if (chosen)
                        store(chosen + pixel * stride + v * N,
                              __builtin_convertvector(dead ? mask{} + whole(DEAD) : winner[v], bytes));
                }
                store(out + pixel * stride + v * N, best[v]);
            }
        }
}

template <class T, int K, int P, int C>
void forward(const Shape& s, const T* x, const T* weight, const T* bias, T* out, uint8_t* chosen) {
    constexpr int N = Lanes<T>::count;
    const int64_t blocks = Lanes<T>::blocks(s.outputs), each = s.channels * s.taps() * N;
    Scratch<T> w(blocks * each), b(blocks * N);
    packed(s, weight, w.data);
    std::memcpy(b.data, bias, s.outputs * sizeof(T));
#pragma omp parallel num_threads(s.threads)
    {
        Scratch<T> field(s.field()), pooled(s.pixels() * blocks * N);
#pragma omp for schedule(static)
        for (int64_t i = 0; i < s.images; i++) {
            const T* in = padded(s, x + i * s.channels * s.height * s.width, field.data);
            uint8_t* marks = chosen ? chosen + i * s.pixels() * s.marks() * blocks * N : nullptr;
            int64_t block = 0;
            for (; block + TOGETHER <= blocks; block += TOGETHER)
                forward_block<T, K, P, C, TOGETHER>(s, in, w.data + block * each, b.data + block * N,
                                                    pooled.data + block * N, marks ? marks + block * N : nullptr);
            for (; block < blocks; block++)
                forward_block<T, K, P, C, 1>(s, in, w.data + block * each, b.data + block * N, pooled.data + block * N,
                                             marks ? marks + block * N : nullptr);
            transposed(pooled.data, s.pixels(), s.outputs, blocks * N, out + i * s.outputs * s.pixels(), s.pixels());
        }
    }
}

// The gradient of each pixel of the window: what pooling and ReLU let through.
template <class T>
inline typename Lanes<T>::vec through(const Shape& s, typename Lanes<T>::vec gradient, const uint8_t* marks, int64_t q,
                                      int64_t stride) {
    using vec = typename Lanes<T>::vec;
    using mask = typename Lanes<T>::mask;
    using bytes = typename Lanes<T>::bytes;
    using whole = typename Lanes<T>::whole;
    if (s.maximum) {
        mask winner = __builtin_convertvector(load<bytes>(marks), mask);
        return winner == mask{} + whole(q) ? gradient : vec{};
    }
    mask alive = __builtin_convertvector(load<bytes>(marks + q * stride), mask);
    return alive != 0 ? gradient : vec{};
}

// Adds one image to the gradients of one vector of output channels: (channels, taps, lanes), and of its biases.
template <class T, int K, int P>
void weights_block(const Shape& s, const T* in, const T* gradient, const uint8_t* marks, T* weight, T* bias) {
    constexpr int N = Lanes<T>::count, TAPS = K ? K : 1;
    using vec = typename Lanes<T>::vec;
    const int64_t kernel = s.kernel, pool = P ? P : s.pool, wide = s.wide(), stride = Lanes<T>::blocks(s.outputs) * N;
    for (int64_t c = 0; c < s.channels; c++)
        for (int64_t tap = 0; tap < kernel * kernel; tap += TAPS * TAPS) {
            vec sum[TAPS * TAPS], all = load<vec>(bias);
            T* place = weight + (c * kernel * kernel + tap) * N;
            for (int k = 0; k < TAPS * TAPS; k++) sum[k] = load<vec>(place + k * N);
            const T* shifted = in + (c * s.tall() + tap / kernel) * wide + tap % kernel;
            for (int64_t y = 0; y < s.rows(); y++)
                for (int64_t x = 0; x < s.columns(); x++) {
                    const int64_t pixel = y * s.columns() + x;
                    const T* corner = shifted + y * pool * wide + x * pool;
                    vec given = load<vec>(gradient + pixel * stride);
                    for (int64_t qy = 0; qy < pool; qy++)
                        for (int64_t qx = 0; qx < pool; qx++) {
                            vec g = through<T>(s, given, marks + pixel * s.marks() * stride, qy * pool + qx, stride);
                            if (c == 0 && tap == 0) all += g;
                            for (int ky = 0; ky < TAPS; ky++)
                                for (int kx = 0; kx < TAPS; kx++)
                                    sum[ky * TAPS + kx] += g * corner[(qy + ky) * wide + qx + kx];
                        }
                }
            for (int k = 0; k < TAPS * TAPS; k++) store(place + k * N, sum[k]);
            if (c == 0 && tap == 0) store(bias, all);
        }
}

// The gradient of one image, (tall, wide, channels padded to lanes); turned: (outputs, taps, channels padded).
template <class T>
void inputs_image(const Shape& s, const T* gradient, const uint8_t* marks, const T* turned, T* to) {
    constexpr int N = Lanes<T>::count;
    using vec = typename Lanes<T>::vec;
    const int64_t stride = Lanes<T>::blocks(s.outputs) * N, deep = Lanes<T>::blocks(s.channels) * N;
    std::memset(to, 0, s.tall() * s.wide() * deep * sizeof(T));
    for (int64_t pixel = 0; pixel < s.pixels(); pixel++)
        for (int64_t o = 0; o < s.outputs; o++) {
            const T given = gradient[pixel * stride + o];
            const uint8_t* mark = marks + pixel * s.marks() * stride + o;
            if (given == 0) continue;
            for (int64_t q = s.maximum ? *mark : 0; q < s.window(); q = s.maximum ? s.window() : q + 1) {
                if (!s.maximum && !mark[q * stride]) continue;
                const int64_t y = pixel / s.columns() * s.pool + q / s.pool, x = pixel % s.columns() * s.pool + q % s.pool;
                for (int64_t ky = 0; ky < s.kernel; ky++)
                    for (int64_t kx = 0; kx < s.kernel; kx++) {
                        T* place = to + ((y + ky) * s.wide() + x + kx) * deep;
                        const T* w = turned + (o * s.taps() + ky * s.kernel + kx) * deep;
                        for (int64_t i = 0; i < deep; i += N) store(place + i, load<vec>(place + i) + load<vec>(w + i) * given);
                    }
            }
        }
}

template <class T> void cropped(const Shape& s, const T* from, T* to) {
    const int64_t deep = Lanes<T>::blocks(s.channels) * Lanes<T>::count;
    for (int64_t y = 0; y < s.height; y++)
        transposed(from + ((y + s.padding) * s.wide() + s.padding) * deep, s.width, s.channels, deep, to + y * s.width,
                   s.height * s.width);
}

template <class T, int K, int P>
void backward(const Shape& s, const T* x, const T* weight, const T* gradient, const uint8_t* chosen, T* to_weight,
              T* to_bias, T* to_x) {
    constexpr int N = Lanes<T>::count;
    const int64_t blocks = Lanes<T>::blocks(s.outputs), each = s.channels * s.taps() * N, deep = Lanes<T>::blocks(s.channels) * N;
    const int64_t chunks = s.images < CHUNKS ? s.images : CHUNKS, picture = s.channels * s.height * s.width;
    const T share = s.maximum ? T(1) : T(1) / s.window();
    Scratch<T> sums(chunks * blocks * (each + N)), turned(to_x ? s.outputs * s.taps() * deep : 0);
    for (int64_t o = 0; to_x && o < s.outputs; o++)
        for (int64_t i = 0; i < s.channels * s.taps(); i++)
            turned.data[(o * s.taps() + i % s.taps()) * deep + i / s.taps()] = weight[o * s.channels * s.taps() + i];
#pragma omp parallel num_threads(s.threads)
    {
        Scratch<T> field(s.field()), given(s.pixels() * blocks * N), spread(to_x ? s.tall() * s.wide() * deep : 0);
#pragma omp for schedule(static)
        for (int64_t chunk = 0; chunk < chunks; chunk++)
            for (int64_t i = chunk * s.images / chunks; i < (chunk + 1) * s.images / chunks; i++) {
                const T* in = padded(s, x + i * picture, field.data);
                const uint8_t* marks = chosen + i * s.pixels() * s.marks() * blocks * N;
                transposed(gradient + i * s.outputs * s.pixels(), s.outputs, s.pixels(), s.pixels(), given.data, blocks * N);
                if (share != 1)
                    for (int64_t k = 0; k < s.pixels() * blocks * N; k++) given.data[k] *= share;
                for (int64_t block = 0; block < blocks; block++) {
                    T* place = sums.data + (chunk * blocks + block) * (each + N);
                    weights_block<T, K, P>(s, in, given.data + block * N, marks + block * N, place, place + each);
                }
                if (!to_x) continue;
                inputs_image(s, given.data, marks, turned.data, spread.data);
                cropped(s, spread.data, to_x + i * picture);
            }
    }
    for (int64_t chunk = 1; chunk < chunks; chunk++)
        for (int64_t k = 0; k < blocks * (each + N); k++) sums.data[k] += sums.data[chunk * blocks * (each + N) + k];
    for (int64_t o = 0; o < s.outputs; o++) {
        const T* place = sums.data + o / N * (each + N) + o % N;
        for (int64_t i = 0; i < s.channels * s.taps(); i++) to_weight[o * s.channels * s.taps() + i] = place[i * N];
        to_bias[o] = place[each];
    }
}

template <class T> void choose_forward(const Shape& s, const T* x, const T* w, const T* b, T* out, uint8_t* chosen) {
    const bool usual = s.kernel == 3 && s.pool == 2;
    (usual && s.channels == 1 ? forward<T, 3, 2, 1> : usual ? forward<T, 3, 2, 0> : s.pool == 2 ? forward<T, 0, 2, 0> : forward<T, 0, 0, 0>)(
        s, x, w, b, out, chosen);
}

template <class T>
void choose_backward(const Shape& s, const T* x, const T* w, const T* g, const uint8_t* chosen, T* to_w, T* to_b, T* to_x) {
    const bool usual = s.kernel == 3 && s.pool == 2;
    (usual ? backward<T, 3, 2> : s.kernel == 5 ? backward<T, 5, 0> : backward<T, 0, 0>)(s, x, w, g, chosen, to_w, to_b, to_x);
}

}  // namespace

extern "C" {
int64_t marks_float(const Shape* s) { return s->images * s->pixels() * s->marks() * Lanes<float>::blocks(s->outputs) * Lanes<float>::count; }
int64_t marks_double(const Shape* s) { return s->images * s->pixels() * s->marks() * Lanes<double>::blocks(s->outputs) * Lanes<double>::count; }
void forward_float(const Shape* s, const float* x, const float* w, const float* b, float* out, uint8_t* chosen) {
    choose_forward(*s, x, w, b, out, chosen);
}
void forward_double(const Shape* s, const double* x, const double* w, const double* b, double* out, uint8_t* chosen) {
    choose_forward(*s, x, w, b, out, chosen);
}
void backward_float(const Shape* s, const float* x, const float* w, const float* g, const uint8_t* chosen, float* to_w,
                    float* to_b, float* to_x) {
    choose_backward(*s, x, w, g, chosen, to_w, to_b, to_x);
}
void backward_double(const Shape* s, const double* x, const double* w, const double* g, const uint8_t* chosen,
                     double* to_w, double* to_b, double* to_x) {
    choose_backward(*s, x, w, g, chosen, to_w, to_b, to_x);
}
}
