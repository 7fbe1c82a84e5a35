// ImportanceResizer on a CPU in one pass over the source rows: convolutions, score, importance and weighted sums, and the
// gradients of all weights back.
//
// Source rows are taken one after the other, a few hundred pixels at a time. Of each feature map only the last few rows are
// kept, of the last one none: its features go straight into the score. Nothing of the images' size exists besides the images.
// The backward pass makes a row's features again.
//
// Plain C interface, called through ctypes by mmdownsize/ops/backends/native_importance.py, as downsize.cpp is.
//
// Results do not depend on the number of threads: a pixel's sums are made in the order of its source rows, in whichever tile it
// is. In the backward pass tiles depend on the sizes alone, and sums over tiles are made in their order.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <type_traits>
#include <vector>

namespace {

constexpr int MAX_DEPTH = 3;
constexpr int MAX_CHANNELS = 16;          // of the images
constexpr int MAX_WIDTH = 64;             // channels of a feature map
constexpr int MOST_LANES = 16;
constexpr int64_t FORWARD_COLUMNS = 512;  // source pixels a tile: its rows stay in a core's cache
constexpr int64_t BACKWARD_COLUMNS = 256;
constexpr int64_t BACKWARD_PIXELS = 1 << 15;  // a tile: more would lose digits in its sums, which are float32
constexpr int64_t END = INT64_MAX / 2;

}  // namespace

// Mirrored field by field in mmdownsize/ops/backends/native_importance.py. Tensors are contiguous, float32 and int64.
struct Problem {
    int64_t batch, channels, src_h, src_w, dst_h, dst_w;
    int64_t depth, width;         // convolutions, 1 to MAX_DEPTH, and channels of each
    int64_t scores;               // S: 1, or one for each channel
    int64_t taps_y, taps_x;       // neighbours
    int64_t means_y, means_x;     // whether an axis takes plain means: the weights are 1 then
    int64_t threads;
    int64_t dilation[MAX_DEPTH];
    float shift, gain, limit;     // the convolutions see (image - shift) * gain
    const float* images;          // (batch, channels, src_h, src_w), or null and
    const uint8_t* bytes;         // the same as integers
    const int64_t *rows, *cols;   // (taps_y, dst_h), (taps_x, dst_w), rising
    const float *weights_y, *weights_x;  // (taps_y, dst_h), (taps_x, dst_w): the kernel, not negative
    const float* to_score;        // (S, width)
    const float* tone;            // (S,)
    const float* weight[MAX_DEPTH];  // (width, C, 3, 3)
    const float* bias[MAX_DEPTH];    // (width,)
    float* out;                   // (batch, channels, dst_h, dst_w): written by forward, read by backward
    float* total;                 // (batch, S, dst_h, dst_w), an output pixel's sum of importances: the same, or null
    const float* grad_out;        // as out
    float* grad_to_score;
    float* grad_tone;
    float* grad_weight[MAX_DEPTH];
    float* grad_bias[MAX_DEPTH];
};

namespace {

template <class T>
struct Buffer {  // grows, and is aligned to cache lines
    T* data = nullptr;
    size_t size = 0;
    Buffer() = default;
    Buffer(const Buffer&) = delete;
    T* zeros(size_t count) {
        if (count > size) {
            std::free(data);
            data = static_cast<T*>(std::aligned_alloc(64, (count * sizeof(T) + 63) / 64 * 64));
            size = data ? count : 0;
            if (!data) throw std::bad_alloc();
        }
        std::memset(data, 0, count * sizeof(T));
        return data;
    }
    ~Buffer() { std::free(data); }
};

// For each pixel of one side of an axis: pixels of the other side, rising, and their weights, above 0.
struct Taps {
    std::vector<int64_t> begin{0};
    std::vector<int32_t> at;
    std::vector<float> weight;

    int64_t count() const { return begin.size() - 1; }
    int64_t first(int64_t i) const { return at[begin[i]]; }
    int64_t last(int64_t i) const { return at[begin[i + 1] - 1]; }
    bool none(int64_t i) const { return begin[i] == begin[i + 1]; }
};

// The source pixels of every output pixel.
Taps sources(const int64_t* indices, const float* weights, int64_t taps, int64_t outputs, bool means) {
    Taps to;
    for (int64_t o = 0; o < outputs; ++o) {
        for (int64_t k = 0; k < taps; ++k) {
            const int32_t at = indices[k * outputs + o];
            const float weight = weights[k * outputs + o];
            if (weight <= 0) continue;
            if ((int64_t)to.at.size() > to.begin.back() && to.at.back() == at)
                to.weight.back() += weight;
            else
                to.at.push_back(at), to.weight.push_back(weight);
        }
        to.begin.push_back(to.at.size());
    }
    if (means) std::fill(to.weight.begin(), to.weight.end(), 1.0f);  // a common factor cancels
    return to;
}

// The output pixels that every source pixel is part of.
Taps targets(const Taps& sources, int64_t length) {
    std::vector<std::vector<std::pair<int32_t, float>>> found(length);
    for (int64_t o = 0; o < sources.count(); ++o)
        for (int64_t k = sources.begin[o]; k < sources.begin[o + 1]; ++k) found[sources.at[k]].push_back({o, sources.weight[k]});
    Taps to;
    for (const auto& list : found) {
        for (const auto& [o, weight] : list) to.at.push_back(o), to.weight.push_back(weight);
        to.begin.push_back(to.at.size());
    }
    return to;
}

// A problem, and how its weights lie in memory for the kernels.
struct Work : Problem {
    Taps rows_of, cols_of, by_row, by_col;  // sources of output rows and columns, targets of source rows and columns
    int64_t padded;                         // width, up to a multiple of 4
    int64_t together = 1;                   // output rows that a source row can be part of, with all between
    int64_t reach[MAX_DEPTH + 1];           // level i is needed that many pixels around: 0 is the image, i what convolution i makes
    int64_t weight_at[MAX_DEPTH], bias_at[MAX_DEPTH], to_score_at, tone_at, sums;  // gradients, one after the other
    Buffer<float> packed_[MAX_DEPTH], score_;
    const float *packed[MAX_DEPTH], *packed_bias[MAX_DEPTH], *turned[MAX_DEPTH], *packed_score;

    int64_t inputs(int64_t level) const { return level > 1 ? padded : channels; }  // of the convolution that makes it
    int64_t step(int64_t level) const { return dilation[level - 1]; }

    explicit Work(const Problem& problem) : Problem(problem) {
        rows_of = sources(rows, weights_y, taps_y, dst_h, means_y);
        cols_of = sources(cols, weights_x, taps_x, dst_w, means_x);
        by_row = targets(rows_of, src_h);
        by_col = targets(cols_of, src_w);
        for (int64_t y = 0; y < src_h; ++y)
            if (!by_row.none(y)) together = std::max(together, by_row.last(y) - by_row.first(y) + 1);
        padded = (width + 3) / 4 * 4;
        reach[depth] = 0;
        for (int64_t i = depth; i > 0; --i) reach[i - 1] = reach[i] + step(i);
        sums = 0;
        for (int64_t i = 0; i < depth; ++i) pack(i);
        to_score_at = sums;
        sums += scores * padded;
        tone_at = sums;
        sums += scores;
        float* score = score_.zeros(scores * padded);
        for (int64_t s = 0; s < scores; ++s) std::copy_n(to_score + s * width, width, score + s * padded);
        packed_score = score;
    }

    // Four output channels together, then input channel, row and column; and the other way round for the gradient of the input.
    void pack(int64_t i) {
        const int64_t all = inputs(i + 1), real = i ? width : channels, count = 9 * all * padded;
        float* to = packed_[i].zeros(2 * count + padded);
        packed[i] = to;
        turned[i] = to + count;
        packed_bias[i] = to + 2 * count;
        for (int64_t o = 0; o < width; ++o) {
            for (int64_t c = 0; c < real; ++c)
                for (int64_t ky = 0; ky < 3; ++ky)
                    for (int64_t kx = 0; kx < 3; ++kx) {
                        const float w = weight[i][((o * real + c) * 3 + ky) * 3 + kx];
                        to[(((o / 4 * all + c) * 3 + ky) * 3 + kx) * 4 + o % 4] = w;
                        if (i) to[count + (((ky * (all / 4) + c / 4) * padded + o) * 3 + 2 - kx) * 4 + c % 4] = w;
                    }
            to[2 * count + o] = bias[i][o];
        }
        weight_at[i] = sums;
        sums += count;
        bias_at[i] = sums;
        sums += padded;
    }
};

// Source rows y0 to y1 and columns x0 to x1; forward, just what output rows i0 to i1 and columns j0 to j1 are made of.
struct Tile {
    int64_t y0, y1, x0, x1, i0, i1, j0, j1;
};

// What a thread works in.
struct Scratch {
    Buffer<float> levels_, lines_, sums_, features_, grads_[MAX_DEPTH];
    float* level[MAX_DEPTH + 1];       // the last rows of each level, (row, channel, column)
    float* gradient[MAX_DEPTH];        // the same of gradients of levels 1, 2, ...; with a margin on either side
    int64_t stride[MAX_DEPTH + 1], kept[MAX_DEPTH + 1], made[MAX_DEPTH + 1];
    int64_t grad_stride[MAX_DEPTH + 1], begun[MAX_DEPTH + 1], done[MAX_DEPTH + 1];
    int64_t origin, line;              // the first row of any level; floats of a line
    float *bright, *weight, *slope;    // lines: the brightness; (S, line) the importance and its logarithm's slope
    float* accumulated;                // (row, C + S, line): an output row's sums so far, or its gradients for every source column
    float *narrow, *mixed;             // (C + S, .): one output row; (C + S, line) all that a source row is part of
    float* features;                   // (padded, .): a row of the last level, backward only
    std::vector<int64_t> expanded;     // the output row that is in each place of `accumulated`
    std::vector<int32_t> target;       // (most, column): the targets of each column, counted from the tile's first; backward only
    std::vector<float> target_weight;  // 0 where there are fewer

    static int64_t aligned(int64_t count) { return (count + 2 * MOST_LANES - 1) / MOST_LANES * MOST_LANES; }

    void prepare(const Work& q, const Tile& tile, bool backward) {
        const int64_t columns = tile.x1 - tile.x0, maps = q.channels + q.scores;
        origin = tile.y0 - q.reach[0];
        line = aligned(columns);
        size_t total = 0;
        for (int64_t i = 0; i < q.depth; ++i) {
            stride[i] = aligned(columns + 2 * q.reach[i]);
            kept[i] = backward || !i ? 2 * q.reach[i] + 1 : 2 * q.step(i + 1) + 1;
            total += kept[i] * (i ? q.padded : q.channels) * stride[i];
        }
        float* at = levels_.zeros(total);
        for (int64_t i = 0; i < q.depth; at += kept[i] * (i ? q.padded : q.channels) * stride[i], ++i) level[i] = at;
        const int64_t widest = std::max(line, aligned(tile.j1 - tile.j0));
        at = lines_.zeros((1 + 2 * q.scores) * line + maps * (line + widest));
        bright = at;
        weight = bright + line;
        slope = weight + q.scores * line;
        mixed = slope + q.scores * line;
        narrow = mixed + maps * line;
        accumulated = sums_.zeros(q.together * maps * line);
        expanded.assign(q.together, -1);
        if (backward) find_targets(q, tile);
        for (int64_t i = 1; backward && i <= q.depth; ++i) {
            const int64_t margin = 2 * q.step(i);
            grad_stride[i] = aligned(columns + 2 * q.reach[i] + 2 * margin);
            if (i == q.depth)
                features = features_.zeros(q.padded * grad_stride[i]) + margin;
            else
                gradient[i] = grads_[i].zeros(grad_kept(q, i) * q.padded * grad_stride[i]) + margin;
        }
        std::fill(made, made + MAX_DEPTH + 1, origin);
        std::fill(begun, begun + MAX_DEPTH + 1, origin);
        std::fill(done, done + MAX_DEPTH + 1, origin);
    }
    void find_targets(const Work& q, const Tile& tile) {
        const int64_t columns = tile.x1 - tile.x0, *begin = q.by_col.begin.data() + tile.x0;
        int64_t most = 1;
        for (int64_t x = 0; x < columns; ++x) most = std::max(most, begin[x + 1] - begin[x]);
        target.assign(most * columns, 0);
        target_weight.assign(most * columns, 0);
        for (int64_t x = 0; x < columns; ++x)
            for (int64_t k = 0; k < begin[x + 1] - begin[x]; ++k) {
                target[k * columns + x] = q.by_col.at[begin[x] + k] - tile.j0;
                target_weight[k * columns + x] = q.by_col.weight[begin[x] + k];
            }
    }
    int64_t grad_kept(const Work& q, int64_t i) const { return 2 * q.step(i + 1) + 1; }
    float* row(const Work& q, int64_t i, int64_t y, int64_t channel = 0) const {
        return level[i] + ((y - origin) % kept[i] * (i ? q.padded : q.channels) + channel) * stride[i];
    }
    float* grad_row(const Work& q, int64_t i, int64_t y) const {
        return gradient[i] + (y - origin) % grad_kept(q, i) * q.padded * grad_stride[i];
    }
    float* sums_of(const Work& q, int64_t output_row) const {
        return accumulated + output_row % q.together * (q.channels + q.scores) * line;
    }
};

#define KERNELS "importance_tile.inc"
#include "instruction_sets.h"

struct Kernels {
    int64_t lanes;
    void (*forward)(const Work&, const Tile&, Scratch&, int64_t);
    void (*backward)(const Work&, const Tile&, Scratch&, int64_t, float*);
};

Kernels kernels_for(int instructions) {
#if defined(__x86_64__)
    if (instructions == 2) return {16, avx512::tile_forward, avx512::tile_backward};
    if (instructions == 1) return {8, avx2::tile_forward, avx2::tile_backward};
#endif
    return {4, plain::tile_forward, plain::tile_backward};
}

int64_t up(int64_t count, int64_t parts) { return (count + parts - 1) / parts; }

std::vector<Tile> forward_tiles(const Work& q) {
    const int64_t width = std::max<int64_t>(up(q.dst_w, up(q.src_w, FORWARD_COLUMNS)), 1), across = up(q.dst_w, width);
    // As high as still gives every thread some.
    const int64_t down = up(4 * q.threads, std::max<int64_t>(q.batch * across, 1)), height = std::max<int64_t>(up(q.dst_h, down), 1);
    std::vector<Tile> tiles;
    for (int64_t i0 = 0; i0 < q.dst_h; i0 += height)
        for (int64_t j0 = 0; j0 < q.dst_w; j0 += width) {
            const int64_t i1 = std::min(i0 + height, q.dst_h), j1 = std::min(j0 + width, q.dst_w);
            tiles.push_back(
                {q.rows_of.first(i0), q.rows_of.last(i1 - 1) + 1, q.cols_of.first(j0), q.cols_of.last(j1 - 1) + 1, i0, i1, j0, j1}
            );
        }
    return tiles;
}

std::vector<Tile> backward_tiles(const Work& q) {
    const int64_t width = (up(q.src_w, up(q.src_w, BACKWARD_COLUMNS)) + 15) / 16 * 16;
    const int64_t wanted = up(12, std::max<int64_t>(q.batch, 1) * up(q.src_w, width));  // so that threads share the work
    const int64_t height = std::max<int64_t>(std::min(up(q.src_h, wanted), BACKWARD_PIXELS / width), 1);
    std::vector<Tile> tiles;
    for (int64_t y0 = 0; y0 < q.src_h; y0 += height)
        for (int64_t x0 = 0; x0 < q.src_w; x0 += width) {
            Tile tile{y0, std::min(y0 + height, q.src_h), x0, std::min(x0 + width, q.src_w), 0, q.dst_h, END, 0};
            for (int64_t x = tile.x0; x < tile.x1; ++x)
                if (!q.by_col.none(x)) {
                    tile.j0 = std::min(tile.j0, q.by_col.first(x));
                    tile.j1 = std::max(tile.j1, q.by_col.last(x) + 1);
                }
            if (tile.j0 < tile.j1) tiles.push_back(tile);
        }
    return tiles;
}

void write_gradients(const Work& q, const std::vector<double>& total) {
    for (int64_t i = 0; i < q.depth; ++i) {
        const int64_t all = q.inputs(i + 1), real = i ? q.width : q.channels;
        for (int64_t o = 0; o < q.width; ++o) {
            for (int64_t c = 0; c < real; ++c)
                for (int64_t ky = 0; ky < 3; ++ky)
                    for (int64_t kx = 0; kx < 3; ++kx)
                        q.grad_weight[i][((o * real + c) * 3 + ky) * 3 + kx] =
                            total[q.weight_at[i] + ((o / 4 * all + c) * 3 + ky) * 12 + o % 4 * 3 + kx];
            q.grad_bias[i][o] = total[q.bias_at[i] + o];
        }
    }
    for (int64_t s = 0; s < q.scores; ++s) {
        for (int64_t o = 0; o < q.width; ++o) q.grad_to_score[s * q.width + o] = total[q.to_score_at + s * q.padded + o];
        q.grad_tone[s] = total[q.tone_at + s];
    }
}

// Does `work(tile, image, scratch, unit)` for all tiles of all images. Returns whether there was too little memory.
template <class F>
int for_all(const Work& q, const std::vector<Tile>& tiles, bool backward, const F& work) {
    const int64_t units = q.batch * tiles.size();
    int failed = 0;
#pragma omp parallel num_threads(q.threads) reduction(max : failed)
    {
        Scratch scratch;
#pragma omp for schedule(dynamic)
        for (int64_t unit = 0; unit < units; ++unit) {
            const Tile& tile = tiles[unit % tiles.size()];
            try {
                scratch.prepare(q, tile, backward);
                work(tile, unit / (int64_t)tiles.size(), scratch, unit);
            } catch (const std::bad_alloc&) {
                failed = 1;
            }
        }
    }
    return failed;
}

}  // namespace

extern "C" {

int mmdownsize_importance_instructions() { return best_instructions(); }
int64_t mmdownsize_importance_problem_bytes() { return sizeof(Problem); }

// Both return 0, or 1 if there was not enough memory.
int mmdownsize_importance_forward(Problem* problem, int instructions) {
    try {
        const Work q(*problem);
        const Kernels kernels = kernels_for(instructions);
        return for_all(q, forward_tiles(q), false, [&](const Tile& tile, int64_t n, Scratch& scratch, int64_t) {
            kernels.forward(q, tile, scratch, n);
        });
    } catch (const std::bad_alloc&) {
        return 1;
    }
}

int mmdownsize_importance_backward(Problem* problem, int instructions) {
    try {
        const Work q(*problem);
        const Kernels kernels = kernels_for(instructions);
        const std::vector<Tile> tiles = backward_tiles(q);
        std::vector<std::vector<double>> sums(q.batch * tiles.size());
        const int failed = for_all(q, tiles, true, [&](const Tile& tile, int64_t n, Scratch& scratch, int64_t unit) {
            Buffer<float> lanes;
            kernels.backward(q, tile, scratch, n, lanes.zeros(q.sums * kernels.lanes));
            sums[unit].assign(q.sums, 0.0);
            for (int64_t k = 0; k < q.sums * kernels.lanes; ++k) sums[unit][k / kernels.lanes] += lanes.data[k];
        });
        if (failed) return failed;
        std::vector<double> total(q.sums, 0.0);
        for (const std::vector<double>& own : sums)
            for (int64_t k = 0; k < q.sums; ++k) total[k] += own[k];
        write_gradients(q, total);
        return 0;
    } catch (const std::bad_alloc&) {
        return 1;
    }
}
}
