// Compiles the kernels of a file once for each instruction set, into namespaces of their own, with LANES floats in a vector.
// Define KERNELS as the file's name, and include this inside the namespace that its names belong to.

#if defined(__x86_64__)
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,fma")
#define LANES 16
namespace avx512 {
#include KERNELS
}
#undef LANES
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#define LANES 8
namespace avx2 {
#include KERNELS
}
#undef LANES
#pragma GCC pop_options
#endif
#define LANES 4
namespace plain {
#include KERNELS
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
