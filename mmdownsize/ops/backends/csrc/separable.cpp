// Resampling with a fixed kernel on a CPU: the rows that an output row is made of are added, then neighbours along the result.
// One output row after the other; besides the images only one line exists.
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

constexpr int64_t PAD = 16;  // floats after a line: the last neighbours are read four at a time

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
    int64_t count, taps, padded;        // outputs, most neighbours, and that up to a multiple of 4
    const int64_t* first;
    std::vector<float> weights;         // (count, padded)
    std::vector<int64_t> taps_of;       // neighbours inside the source
    Axis(int64_t count, int64_t taps, const int64_t* first, const float* from, int64_t length)
        : count(count), taps(taps), padded((taps + 3) / 4 * 4), first(first), weights(count * padded), taps_of(count) {
        for (int64_t i = 0; i < count; ++i) {
            std::copy_n(from + i * taps, taps, weights.data() + i * padded);
            taps_of[i] = std::min(taps, length - first[i]);
            while (taps_of[i] > 1 && weights[i * padded + taps_of[i] - 1] == 0) --taps_of[i];
        }
    }
};

struct Work : Problem {
    Axis rows, cols;
    explicit Work(const Problem& problem)
        : Problem(problem), rows(dst_h, taps_y, first_y, weights_y, src_h), cols(dst_w, taps_x, first_x, weights_x, src_w) {}
};

struct Unit {  // output rows i0 to i1 of one image, and of one channel unless they are interleaved
    int64_t n, c, i0, i1;
};

class Scratch {  // what a thread works in
    std::vector<float> line_, single_;
    std::vector<const float*> rows_;
    std::vector<const uint8_t*> byte_rows_;

public:
    float* line(int64_t count) { return line_.resize(std::max<size_t>(line_.size(), count)), line_.data(); }
    float* single(int64_t count) { return single_.resize(std::max<size_t>(single_.size(), count)), single_.data(); }
    template <class T>
    std::vector<const T*>& rows_for() {
        if constexpr (std::is_same_v<T, float>)
            return rows_;
        else
            return byte_rows_;
    }
};

#if defined(__x86_64__)
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,fma")
#define LANES 16
namespace avx512 {
#include "separable_rows.inc"
}
#undef LANES
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#define LANES 8
namespace avx2 {
#include "separable_rows.inc"
}
#undef LANES
#pragma GCC pop_options
#endif
#define LANES 4
namespace plain {
#include "separable_rows.inc"
}
#undef LANES

// Instruction sets by number: 0 is any machine's, 1 AVX2, 2 AVX-512.
int best_instructions() {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        return 2;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return 1;
#endif
    return 0;
}

template <class T>
void work(const Work& q, const T* images, const Unit& unit, Scratch& scratch, int instructions) {
#if defined(__x86_64__)
    if (instructions == 2) return avx512::rows_of(q, images, unit, scratch);
    if (instructions == 1) return avx2::rows_of(q, images, unit, scratch);
#endif
    plain::rows_of(q, images, unit, scratch);
}

}  // namespace

extern "C" {

int mmdownsize_separable_instructions() { return best_instructions(); }
int64_t mmdownsize_separable_problem_bytes() { return sizeof(Problem); }

// Returns 0, or 1 if there was not enough memory.
int mmdownsize_separable(Problem* problem, int instructions) {
    try {
        const Work q(*problem);
        const int64_t planes = q.batch * (q.interleaved ? 1 : q.channels);
        // Some blocks of rows for each thread, and no more: every block begins with rows that are not in its cache.
        const int64_t blocks = q.threads > 1 ? std::min(q.dst_h, (4 * q.threads + planes - 1) / std::max<int64_t>(planes, 1)) : 1;
        const int64_t height = (q.dst_h + blocks - 1) / std::max<int64_t>(blocks, 1);
        int failed = 0;
#pragma omp parallel num_threads(q.threads) reduction(max : failed) if (q.threads > 1)
        {
            Scratch scratch;
#pragma omp for schedule(dynamic)
            for (int64_t at = 0; at < planes * blocks; ++at) {
                const int64_t plane = at / blocks, i0 = at % blocks * height, per = q.interleaved ? 1 : q.channels;
                const Unit unit{plane / per, plane % per, i0, std::min(i0 + height, q.dst_h)};
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
