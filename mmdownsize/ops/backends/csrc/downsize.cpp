// DownsizeNet on a CPU in one pass: source pixels in, output pixels out, and the gradients of all weights back.
//
// The output is cut into tiles. For each, the convolutions' features are made of just the source pixels that its output pixels
// read, in buffers that stay in a core's cache; the last convolution only where an output pixel selects it. No
// feature map of the image's size exists at any time. The backward pass makes a tile's features again.
//
// Plain C interface, called through ctypes by mmdownsize/ops/backends/native.py: no header of PyTorch or Python, so one build
// fits all their versions. Threads are OpenMP's, in a process with PyTorch the very threads that PyTorch uses.
//
// Results do not depend on the number of threads: tiles depend on the sizes alone, and sums over tiles are made in their order.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

namespace {

constexpr int MAX_DEPTH = 4;
constexpr int MAX_CHANNELS = 16;
constexpr int MAX_TAPS = 64;            // neighbours an axis
constexpr int64_t TILE_WIDTH = 192;     // output pixels, a multiple of 16

enum Normalize : int64_t { NONE = 0, SOFTMAX = 1, SIGMOID = 2 };

}  // namespace

// Mirrored field by field in mmdownsize/ops/backends/native.py. Tensors are contiguous, float32 and int64.
struct Problem {
    int64_t batch, channels, src_h, src_w, dst_h, dst_w;
    int64_t depth;                // convolutions, 0 to MAX_DEPTH
    int64_t taps_y, taps_x;       // neighbours
    int64_t normalize;            // Normalize
    int64_t kernel;               // whether it starts at a kernel
    int64_t threads;
    float shift, gain;            // the texture sees (image - shift) * gain
    float softness, leak, limit, odds;
    const float* images;          // (batch, channels, src_h, src_w), or null and
    const uint8_t* bytes;         // the same as integers
    const int64_t *top, *left;    // (dst_h,), (dst_w,): where the texture is selected
    const int64_t *rows, *cols;   // (taps_y, dst_h), (taps_x, dst_w)
    const float *weights_y, *weights_x;  // (taps_y, dst_h), (taps_x, dst_w): the kernel
    const float* static_logits;  // (taps_y * taps_x, dst_h, dst_w): the logits' part that the texture has none in
    const float* to_logits;      // (taps_y * taps_x, 16)
    const float* weight[MAX_DEPTH];  // (16, C, 3, 3)
    const float* bias[MAX_DEPTH];    // (16,)
    float* out;                   // (batch, channels, dst_h, dst_w)
    float* features;              // (batch, dst_h, dst_w, 16): written by forward if not null, read by backward
    const float* grad_out;        // as out
    float* grad_static_logits;    // as static_logits, zeros
    float* grad_to_logits;       // as to_logits
    float* grad_weight[MAX_DEPTH];
    float* grad_bias[MAX_DEPTH];
};

namespace {

// A problem, and how its weights lie in memory for the kernels.
struct Work : Problem {
    const float *packed_weight[MAX_DEPTH], *packed_bias[MAX_DEPTH], *turned_weight[MAX_DEPTH];
    int64_t weight_at[MAX_DEPTH], bias_at[MAX_DEPTH], to_logits_at, sums;  // gradients of all weights, one after the other

    explicit Work(const Problem& problem) : Problem(problem) {}
};

// One axis of a tile: which positions each level needs. Level 0 is the image, level i what convolution i makes.
struct Axis {
    int64_t begin, end;                        // output pixels
    int64_t length;                            // of the image
    std::vector<int32_t> pos[MAX_DEPTH + 1];   // rising; from -1 to length: what lies outside the image is 0
    std::vector<int32_t> base[MAX_DEPTH + 1];  // where position - 1 is in the level below; the two others follow it
    std::vector<int32_t> inverse;              // where each output pixel's position is in the last level

    bool outside(int level, int64_t index) const { return pos[level][index] < 0 || pos[level][index] >= length; }
    int64_t inside_begin(int level) const { return outside(level, 0); }
    int64_t inside_end(int level) const { return pos[level].size() - outside(level, pos[level].size() - 1); }
};

Axis make_axis(const int64_t* selected, int64_t begin, int64_t end, int64_t length, int64_t depth) {
    Axis axis;
    axis.begin = begin;
    axis.end = end;
    axis.length = length;
    if (!depth) return axis;
    std::vector<int32_t>& last = axis.pos[depth];
    for (int64_t o = begin; o < end; ++o) {
        if (last.empty() || last.back() != selected[o]) last.push_back(selected[o]);
        axis.inverse.push_back(last.size() - 1);
    }
    axis.inverse.resize((axis.inverse.size() + 15) / 16 * 16, 0);
    for (int64_t i = depth; i > 0; --i) {
        std::vector<int32_t>& below = axis.pos[i - 1];
        for (int32_t p : axis.pos[i]) {
            if (p < 0 || p >= length) continue;
            for (int32_t b = p - 1; b <= p + 1; ++b)
                if (below.empty() || below.back() < b) below.push_back(b);
        }
        for (int32_t p : axis.pos[i])  // of no use for what lies outside, which is never computed
            axis.base[i].push_back(std::lower_bound(below.begin(), below.end(), p - 1) - below.begin());
    }
    return axis;
}

struct Tile {
    const Axis &y, &x;
    int64_t y_begin, y_end, x_begin, x_end;
    std::vector<int32_t> cols;  // (taps_x, width)

    int64_t padded_width() const { return (x_end - x_begin + 15) / 16 * 16; }
};

template <class T>
struct Buffer {  // grows, is zero at first, and is aligned to cache lines
    T* data = nullptr;
    size_t size = 0;
    T* ensure(size_t count) {
        if (count > size) {
            std::free(data);
            const size_t bytes = (count * sizeof(T) + 63) / 64 * 64;
            data = static_cast<T*>(std::aligned_alloc(64, bytes));
            if (!data) {
                size = 0;
                throw std::bad_alloc();
            }
            std::memset(data, 0, bytes);
            size = count;
        }
        return data;
    }
    ~Buffer() { std::free(data); }
};

// What a thread works in. Of each level only the last few rows are kept, in turn in the same places.
struct Scratch {
    Buffer<float> source_, levels_, grads_, row_, neighbors_, taps_;
    float *source, *features, *neighbors, *value, *tilt, *slope, *sharp, *prior, *grad, *block, *turned;
    float *level[MAX_DEPTH + 1], *gradient[MAX_DEPTH + 1];
    int64_t kept[MAX_DEPTH + 1];    // rows
    int64_t made[MAX_DEPTH + 1];    // rows made so far
    int64_t zeroed[MAX_DEPTH + 1];  // rows of gradients that have been begun
    int64_t done[MAX_DEPTH + 1];    // and those that have been passed on
    std::vector<int64_t> neighbor_row;

    void prepare(const Work& q, const Tile& tile, bool backward) {
        const int64_t taps = q.taps_y * q.taps_x;
        if (q.depth) {
            size_t total = 0, grads = 0;
            for (int64_t i = 0; i < q.depth; ++i) {
                // Going back, a level's row is used last when the levels above are two rows ahead, each of them.
                kept[i] = backward ? 2 * (q.depth - i) + 1 : 3;
                if (i) total += kept[i] * tile.x.pos[i].size() * 16;
                if (i) grads += 3 * tile.x.pos[i].size() * 16;
            }
            source = source_.ensure(kept[0] * tile.x.pos[0].size() * q.channels + 16);
            float* at = levels_.ensure(total + 16);
            for (int64_t i = 1; i < q.depth; at += kept[i] * tile.x.pos[i].size() * 16, ++i) level[i] = at;
            if (backward) {
                at = grads_.ensure(grads + 16);
                for (int64_t i = 1; i < q.depth; at += 3 * tile.x.pos[i].size() * 16, ++i) gradient[i] = at;
            }
            features = row_.ensure(16 * tile.x.pos[q.depth].size());
        }
        neighbors = neighbors_.ensure(q.taps_y * q.channels * q.taps_x * tile.padded_width());
        neighbor_row.resize(q.taps_y);
        float* at = taps_.ensure(6 * 16 * taps + 2 * 256);
        for (float** part : {&value, &tilt, &slope, &sharp, &prior, &grad}) {
            *part = at;
            at += 16 * taps;
        }
        block = at;
        turned = at + 256;
    }
    void restart() {
        for (int64_t* counts : {made, zeroed, done}) std::fill(counts, counts + MAX_DEPTH + 1, 0);
        std::fill(neighbor_row.begin(), neighbor_row.end(), -1);
    }
    float* source_row(const Tile& tile, const Work& q, int64_t row, int64_t channel) const {
        return source + (row % kept[0] * q.channels + channel) * tile.x.pos[0].size();
    }
    float* level_row(const Tile& tile, int i, int64_t row) const {
        return level[i] + row % kept[i] * tile.x.pos[i].size() * 16;
    }
    float* grad_row(const Tile& tile, int i, int64_t row) const {
        return gradient[i] + row % 3 * tile.x.pos[i].size() * 16;
    }
};

#define KERNELS "tile.inc"
#include "instruction_sets.h"

struct Kernels {
    void (*forward)(const Work&, const Tile&, Scratch&, int64_t);
    void (*backward)(const Work&, const Tile&, Scratch&, int64_t, float*);
};

Kernels kernels_for(int instructions) {
#if defined(__x86_64__)
    if (instructions == 2) return {avx512::tile_forward, avx512::tile_backward};
    if (instructions == 1) return {avx2::tile_forward, avx2::tile_backward};
#endif
    return {plain::tile_forward, plain::tile_backward};
}

std::vector<Axis> cut(const int64_t* selected, int64_t outputs, int64_t step, int64_t length, int64_t depth) {
    std::vector<Axis> axes;
    for (int64_t begin = 0; begin < outputs; begin += step)
        axes.push_back(make_axis(selected, begin, std::min(begin + step, outputs), length, depth));
    return axes;
}

// Convolution weights as the kernels read them: 16 output channels together.
struct Packed {
    Buffer<float> memory[MAX_DEPTH];

    explicit Packed(Work& q) {
        int64_t at = 0;
        for (int64_t i = 0; i < q.depth; ++i) {
            const int64_t inputs = i ? 16 : q.channels, taps = 9 * inputs;
            float* packed = memory[i].ensure(2 * 16 * taps + 16);
            float* turned = packed + 16 * taps;
            for (int64_t o = 0; o < 16; ++o)
                for (int64_t c = 0; c < inputs; ++c)
                    for (int64_t k = 0; k < 9; ++k) {
                        const float w = q.weight[i][(o * inputs + c) * 9 + k];
                        packed[(i ? k * 16 + c : c * 9 + k) * 16 + o] = w;
                        if (i) turned[(k * 16 + o) * 16 + c] = w;
                    }
            std::memcpy(turned + 16 * taps, q.bias[i], 16 * sizeof(float));
            q.packed_weight[i] = packed;
            q.turned_weight[i] = turned;
            q.packed_bias[i] = turned + 16 * taps;
            q.weight_at[i] = at;
            q.bias_at[i] = at + 16 * taps;
            at += 16 * taps + 16;
        }
        q.to_logits_at = at;
        q.sums = at + (q.depth ? 16 * q.taps_y * q.taps_x : 0);
    }
};

struct Tiling {
    std::vector<Axis> ys, xs;
    std::vector<Tile> tiles;

    Tiling(const Work& q, bool backward) {
        const int64_t parts = (q.dst_w + TILE_WIDTH - 1) / TILE_WIDTH;
        const int64_t width = ((q.dst_w + parts - 1) / parts + 15) / 16 * 16;
        xs = cut(q.left, q.dst_w, width, q.src_w, q.depth);
        // Forward, tiles as high as still gives every thread some. Backward their number must not depend on the threads.
        const int64_t across = std::max<int64_t>(backward ? 1 : q.batch, 1) * xs.size(), units = backward ? 12 : 4 * q.threads;
        const int64_t down = std::max<int64_t>((units + across - 1) / across, backward ? q.src_h / 128 : 1);
        const int64_t height = std::max<int64_t>((q.dst_h + down - 1) / down, 1);
        ys = cut(q.top, q.dst_h, std::min(height, q.dst_h), q.src_h, q.depth);
        for (const Axis& y : ys)
            for (const Axis& x : xs) {
                Tile tile{y, x, y.begin, y.end, x.begin, x.end, {}};
                for (int64_t l = 0; l < q.taps_x; ++l)
                    for (int64_t j = x.begin; j < x.end; ++j) tile.cols.push_back(q.cols[l * q.dst_w + j]);
                tiles.push_back(std::move(tile));
            }
    }
};

}  // namespace

extern "C" {

int mmdownsize_instructions() { return best_instructions(); }
int64_t mmdownsize_problem_bytes() { return sizeof(Problem); }

// Both return 0, or 1 if there was not enough memory.
int mmdownsize_forward(Problem* problem, int instructions) {
    try {
        Work q(*problem);
        const Packed packed(q);
        const Tiling tiling(q, false);
        const Kernels kernels = kernels_for(instructions);
        const int64_t per_image = tiling.tiles.size(), units = q.batch * per_image;
        int failed = 0;
#pragma omp parallel num_threads(q.threads) reduction(max : failed)
        {
            Scratch scratch;
#pragma omp for schedule(dynamic)
            for (int64_t unit = 0; unit < units; ++unit) {
                const Tile& tile = tiling.tiles[unit % per_image];
                try {
                    scratch.prepare(q, tile, false);
                    kernels.forward(q, tile, scratch, unit / per_image);
                } catch (const std::bad_alloc&) {
                    failed = 1;
                }
            }
        }
        return failed;
    } catch (const std::bad_alloc&) {
        return 1;
    }
}

int mmdownsize_backward(Problem* problem, int instructions) {
    try {
        Work q(*problem);
        const Packed packed(q);
        const Tiling tiling(q, true);
        const Kernels kernels = kernels_for(instructions);
        const int64_t units = tiling.tiles.size();
        std::vector<Buffer<float>> sums(units);  // one a tile, added in order
        int failed = 0;
#pragma omp parallel num_threads(q.threads) reduction(max : failed)
        {
            Scratch scratch;
#pragma omp for schedule(dynamic)
            for (int64_t unit = 0; unit < units; ++unit) {
                const Tile& tile = tiling.tiles[unit];
                try {
                    scratch.prepare(q, tile, true);
                    float* own = sums[unit].ensure(q.sums + 16);
                    // All images of a tile by one thread: their gradients of `static_logits` have the same place.
                    for (int64_t n = 0; n < q.batch; ++n) kernels.backward(q, tile, scratch, n, own);
                } catch (const std::bad_alloc&) {
                    failed = 1;
                }
            }
        }
        if (failed) return failed;
        std::vector<double> total(q.sums, 0.0);
        for (const Buffer<float>& own : sums)
            for (int64_t k = 0; k < q.sums; ++k) total[k] += own.data[k];
        for (int64_t i = 0; i < q.depth; ++i) {
            const int64_t inputs = i ? 16 : q.channels;
            for (int64_t o = 0; o < 16; ++o) {
                for (int64_t c = 0; c < inputs; ++c)
                    for (int64_t k = 0; k < 9; ++k)
                        q.grad_weight[i][(o * inputs + c) * 9 + k] = total[q.weight_at[i] + (i ? k * 16 + c : c * 9 + k) * 16 + o];
                q.grad_bias[i][o] = total[q.bias_at[i] + o];
            }
        }
        if (q.depth)
            for (int64_t k = 0; k < 16 * q.taps_y * q.taps_x; ++k) q.grad_to_logits[k] = total[q.to_logits_at + k];
        return 0;
    } catch (const std::bad_alloc&) {
        return 1;
    }
}
}
