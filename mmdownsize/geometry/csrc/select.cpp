// The crossings of rows and columns of byte planes: out[p, i, j] = planes[p, rows[i], cols[j]], the columns not falling.
//
// PyTorch and NumPy pick bytes one by one. Here what is wanted of 16 neighbours moves together, in a shuffle that is the same for
// all rows; the end of a row is picked one by one. Only the rows that are wanted are read.
//
// Plain C interface, called through ctypes by mmdownsize/geometry/selection.py: no header of PyTorch or Python, so one build fits
// all their versions.

#include <algorithm>
#include <cstdint>
#include <vector>

#if defined(__x86_64__)
#include <tmmintrin.h>
#endif

namespace {

constexpr int64_t BLOCK = 16, CACHE_LINE = 64;

struct Shuffle {
    uint8_t from[BLOCK];  // where in the block an output byte is; the last ones may be anything
    int64_t to;           // where in the output row the first one goes
};

// A shuffle for every block of source columns, up to the first that would read or write past the end of a row. What it writes too
// much is overwritten by the next.
std::vector<Shuffle> shuffles_for(const int64_t* cols, int64_t src_w, int64_t dst_w) {
    std::vector<Shuffle> shuffles;
#if defined(__x86_64__)
    if (!__builtin_cpu_supports("ssse3")) return shuffles;
    int64_t j = 0;
    for (int64_t begin = 0; begin + BLOCK <= src_w && j + BLOCK <= dst_w; begin += BLOCK) {
        Shuffle shuffle{{}, j};
        for (; j < dst_w && cols[j] < begin + BLOCK; ++j) {
            if (j == shuffle.to + BLOCK) return {};  // an enlargement
            shuffle.from[j - shuffle.to] = cols[j] - begin;
        }
        shuffles.push_back(shuffle);
    }
#endif
    return shuffles;
}

#if defined(__x86_64__)
__attribute__((target("ssse3")))
void move_blocks(const uint8_t* from, uint8_t* to, const std::vector<Shuffle>& shuffles) {
    for (const Shuffle& shuffle : shuffles) {
        const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
        const __m128i order = _mm_loadu_si128(reinterpret_cast<const __m128i*>(shuffle.from));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to + shuffle.to), _mm_shuffle_epi8(block, order));
        from += BLOCK;
    }
}
#else
void move_blocks(const uint8_t*, uint8_t*, const std::vector<Shuffle>&) {}
#endif

}  // namespace

extern "C" void mmdownsize_select(
    const uint8_t* planes, uint8_t* out, const int64_t* rows, const int64_t* cols,
    int64_t count, int64_t src_h, int64_t src_w, int64_t dst_h, int64_t dst_w, int64_t threads) {
    const std::vector<Shuffle> shuffles = shuffles_for(cols, src_w, dst_w);
    const int64_t moved = std::lower_bound(cols, cols + dst_w, BLOCK * int64_t(shuffles.size())) - cols;
    const auto row = [=](int64_t k) { return planes + (k / dst_h * src_h + rows[k % dst_h]) * src_w; };
    const int64_t last = count * dst_h - 1;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t k = 0; k <= last; ++k) {
        // Rows are left out in between, and a processor that reads ahead is wrong at the end of every one.
        const uint8_t* next = row(std::min(k + 1, last));
        for (int64_t x = 0; x < src_w; x += CACHE_LINE) __builtin_prefetch(next + x);
        const uint8_t* from = row(k);
        uint8_t* to = out + k * dst_w;
        move_blocks(from, to, shuffles);
        for (int64_t j = moved; j < dst_w; ++j) to[j] = from[cols[j]];
    }
}
