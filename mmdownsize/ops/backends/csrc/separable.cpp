// Resampling with a fixed kernel on a CPU: the rows that an output row is made of are added, then neighbours along the result.
// One output row after the other, a few hundred source columns at a time: the rows that are needed again stay in a core's cache.
//
// The gradient with respect to the images is a resampling too, along the transposed axes: the same function computes it.
//
// Plain C interface, called through ctypes by mmdownsize/ops/backends/native_separable.py. Results do not depend on the number
// of threads: an output pixel's sum is made by one thread, in the order of its source pixels.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <type_traits>
#include <vector>

namespace {

constexpr int64_t KEPT = 6144;    // floats of source rows that a tile keeps, where that allows for MIN_COLUMNS
constexpr int64_t MIN_COLUMNS = 256, MAX_COLUMNS = 1024;
constexpr int64_t ROOM = 64 + 16;  // floats after a row: four vectors are read at a time. Rows then do not share places in a cache

}  // namespace

// Mirrored field by field in mmdownsize/ops/backends/native_separable.py. Strides are in elements; the images' columns follow
// each other (stride_x is 1), or their channels do and then their columns (interleaved).
struct Problem {
    int64_t batch, channels, src_h, src_w, dst_h, dst_w;
    int64_t stride_n, stride_c, stride_y, interleaved;
    int64_t taps_y, taps_x;                // most neighbours of an output row, and of an output column
    int64_t threads;
    const float* images;                   // or null and
    const uint8_t* bytes;                  // the same as integers
    const int64_t *first_y, *first_x;      // (dst_h,), (dst_w,): the first source row, and column
    const float *weights_y, *weights_x;    // (dst_h, taps_y), (dst_w, taps_x): 0 where there are fewer
    float* out;                            // (batch, channels, dst_h, dst_w)
};

namespace {

struct Axis {
    int64_t count, padded, most;        // outputs; most neighbours, up to a multiple of 4, and as they are
    int64_t block;                      // B if every output is the mean of B sources of its own, in order; else 0
    const int64_t* first;
    std::vector<float> weights;         // (count, padded)
    std::vector<int64_t> taps_of;       // neighbours, at least 1
    Axis(int64_t count, int64_t taps, const int64_t* first, const float* from, int64_t length)
        : count(count), padded((taps + 3) / 4 * 4), most(1), first(first), weights(count * padded), taps_of(count) {
        for (int64_t i = 0; i < count; ++i) {
            std::copy_n(from + i * taps, taps, weights.data() + i * padded);
            taps_of[i] = std::min(taps, length - first[i]);
            while (taps_of[i] > 1 && weights[i * padded + taps_of[i] - 1] == 0) --taps_of[i];
            most = std::max(most, taps_of[i]);
        }
        block = taps == most ? taps : 0;
        for (int64_t i = 0; i < count && block; ++i)
            if (first[i] != i * taps || !std::all_of(from + i * taps, from + (i + 1) * taps, [&](float w) { return w == *from; })) block = 0;
    }
    int64_t end(int64_t i) const { return first[i] + taps_of[i]; }
};

struct Work : Problem {
    Axis rows, cols;
    explicit Work(const Problem& problem)
        : Problem(problem), rows(dst_h, taps_y, first_y, weights_y, src_h), cols(dst_w, taps_x, first_x, weights_x, src_w) {}
};

// Output rows i0 to i1 and columns j0 to j1 of one image, and of one channel unless they are interleaved; x0 to x1: the source
// columns that these are made of.
struct Unit {
    int64_t n, c, i0, i1, j0, j1, x0, x1;
};

class Scratch {  // what a thread works in; zeros at first, so that what is read beyond a row is a number
    std::vector<float> kept_, line_, single_;
    std::vector<const float*> rows_;

    template <class T>
    static T* room(std::vector<T>& in, size_t count) {
        if (in.size() < count) in.resize(count);
        return in.data();
    }

public:
    float* kept(int64_t count) { return room(kept_, count); }
    float* line(int64_t count) { return room(line_, count); }
    float* single(int64_t count) { return room(single_, count); }
    const float** rows(int64_t count) { return room(rows_, count); }
};

#define KERNELS "separable_rows.inc"
#include "instruction_sets.h"

template <class T>
void work(const Work& q, const T* images, const Unit& unit, Scratch& scratch, int instructions) {
#if defined(__x86_64__)
    if (instructions == 2) return avx512::tile(q, images, unit, scratch);
    if (instructions == 1) return avx2::tile(q, images, unit, scratch);
#endif
    plain::tile(q, images, unit, scratch);
}

// The tiles of one plane. Rows are cut only to give every thread some: a cut makes the rows around it twice.
std::vector<Unit> units_of(const Work& q, int64_t together, int64_t planes) {
    const int64_t columns = std::min(std::max(KEPT / q.rows.most, MIN_COLUMNS), MAX_COLUMNS) / together;
    std::vector<Unit> across, units;
    for (int64_t j0 = 0, j1; j0 < q.dst_w; j0 = j1) {
        const int64_t x0 = q.cols.first[j0];
        int64_t x1 = q.cols.end(j0);
        for (j1 = j0 + 1; j1 < q.dst_w && q.cols.end(j1) - x0 <= columns; ++j1) x1 = std::max(x1, q.cols.end(j1));
        across.push_back({0, 0, 0, q.dst_h, j0, j1, x0, x1});
    }
    const int64_t all = planes * (int64_t)across.size(), wanted = q.threads > 1 ? 4 * q.threads : 1;
    const int64_t blocks = std::min(q.dst_h, (wanted + all - 1) / all), height = (q.dst_h + blocks - 1) / blocks;
    for (Unit unit : across)
        for (unit.i0 = 0; unit.i0 < q.dst_h; unit.i0 += height) {
            unit.i1 = std::min(unit.i0 + height, q.dst_h);
            units.push_back(unit);
        }
    return units;
}

}  // namespace

extern "C" {

int mmdownsize_separable_instructions() { return best_instructions(); }
int64_t mmdownsize_separable_problem_bytes() { return sizeof(Problem); }

// Returns 0, or 1 if there was not enough memory.
int mmdownsize_separable(Problem* problem, int instructions) {
    try {
        const Work q(*problem);
        const int64_t together = q.interleaved ? q.channels : 1, planes = q.batch * (q.interleaved ? 1 : q.channels);
        const std::vector<Unit> units = units_of(q, together, planes);
        int failed = 0;
#pragma omp parallel num_threads(q.threads) reduction(max : failed) if (q.threads > 1)
        {
            Scratch scratch;
#pragma omp for schedule(dynamic)
            for (int64_t at = 0; at < planes * (int64_t)units.size(); ++at) {
                Unit unit = units[at % units.size()];
                const int64_t plane = at / (int64_t)units.size(), per = q.interleaved ? 1 : q.channels;
                unit.n = plane / per;
                unit.c = plane % per;
                try {
                    if (q.bytes)
                        work(q, q.bytes, unit, scratch, instructions);
                    else
                        work(q, q.images, unit, scratch, instructions);
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

}  // extern "C"
