// What stands for a GPU: the threads of a block are fibers of one CPU thread, run in an order that a test may choose, and every
// place of memory knows which of them touched it since they last waited for each other.
#include <math.h>
#include <ucontext.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>
#include <vector>

#define __global__
#define __device__ static
#define __shared__ static
#define __launch_bounds__(threads)

struct Three { unsigned int x, y, z; };
static Three blockIdx{0, 0, 0}, blockDim{1, 1, 1}, gridDim{1, 1, 1};

enum { MOST = 1024, LANES = 32, STACK = 1 << 16, MANY = -2 };
static Three places[MOST];
static ucontext_t fibers[MOST], scheduler;
static bool done[MOST];
static int current;
#define threadIdx (places[current])

// ---------------------------------------------------------------- waiting

static unsigned int since = 1;  // how often the block's threads have waited for each other

struct Barrier {
  int arrived = 0;
  unsigned int turn = 0;
};
static Barrier of_block, of_warp[MOST / LANES];

static void wait(Barrier& barrier, int size) {
  const unsigned int turn = barrier.turn;
  if (++barrier.arrived == size) {
    barrier.arrived = 0;
    ++barrier.turn;
    if (&barrier == &of_block) ++since;
    return;
  }
  while (barrier.turn == turn) swapcontext(&fibers[current], &scheduler);
}

static void __syncthreads() { wait(of_block, blockDim.x); }

static int votes[MOST];

static int __syncthreads_or(int vote) {
  votes[current] = vote;
  __syncthreads();
  int any = 0;
  for (unsigned int k = 0; k < blockDim.x; ++k) any |= votes[k];
  __syncthreads();
  return any;
}

static void of_the_warp() { wait(of_warp[current / LANES], LANES); }

static unsigned int __ballot_sync(unsigned int, bool vote) {
  votes[current] = vote;
  of_the_warp();
  unsigned int mask = 0;
  for (int lane = 0; lane < LANES; ++lane) mask |= (unsigned int)votes[current / LANES * LANES + lane] << lane;
  of_the_warp();
  return mask;
}

static int __shfl_up_sync(unsigned int, int value, int step) {
  votes[current] = value;
  of_the_warp();
  const int found = current % LANES >= step ? votes[current - step] : value;
  of_the_warp();
  return found;
}

static int __popc(unsigned int mask) { return __builtin_popcount(mask); }
static int __ffs(unsigned int mask) { return __builtin_ffs((int)mask); }

// ---------------------------------------------------------------- who touched what

struct Mark {
  unsigned int written = 0, seen = 0;
  int writer = 0, reader = 0;
};
static const char *tables, *own;
static long long tables_size, own_size, races, outside, where = -1;
static std::vector<Mark> marks;

static Mark* mark(const void* place, bool writes) {
  const long long at = (const char*)place - own, table = (const char*)place - tables;
  if (at >= 0 && at < own_size) return &marks[at];
  const bool shared = std::abs((const char*)place - (const char*)places) < 1 << 20;  // it lies beside what is static here
  outside += !shared && (writes || table < 0 || table >= tables_size);
  return nullptr;
}

static void clash(const void* place) {
  if (!races++) where = (const char*)place - own;
}

template <class T>
static const T& read(const T& place) {
  if (Mark* held = mark(&place, false)) {
    if (held->written == since && held->writer != current) clash(&place);
    held->reader = held->seen == since && held->reader != current ? MANY : current;
    held->seen = since;
  }
  return place;
}

template <class T, class V>
static void write(T& place, const V& value) {
  if (Mark* held = mark(&place, true)) {
    if (held->written == since && held->writer != current) clash(&place);
    if (held->seen == since && held->reader != current) clash(&place);
    held->writer = current;
    held->written = since;
  }
  place = (T)value;
}
#define READ(pointer, index) read((pointer)[index])
#define WRITE(pointer, index, value) write((pointer)[index], value)

// ---------------------------------------------------------------- a launch

typedef void (*Kernel)(const unsigned char*, unsigned char*, long long, long long);
static Kernel kernel;
static long long trials, last;

static void begin() {
  kernel((const unsigned char*)tables, (unsigned char*)own, trials, last);
  done[current] = true;
  swapcontext(&fibers[current], &scheduler);
}

// order : 0, the first thread first; 1, the last first; 2, another order each time
extern "C" void launch(
    Kernel function, const char* read_only, long long read_only_size, char* memory, long long memory_size, long long count,
    long long end, int threads, int blocks, int order) {
  static std::vector<char> stacks((size_t)MOST * STACK);
  static std::mt19937 draw(1);
  kernel = function, tables = read_only, tables_size = read_only_size, own = memory, own_size = memory_size;
  trials = count, last = end;
  marks.resize(own_size);
  blockDim.x = threads, gridDim.x = blocks;
  std::vector<int> turns(threads);
  for (int block = 0; block < blocks; ++block) {
    blockIdx.x = block;
    for (int k = 0; k < threads; ++k) {
      places[k] = Three{(unsigned int)k, 0, 0};
      done[k] = false;
      getcontext(&fibers[k]);
      fibers[k].uc_stack.ss_sp = &stacks[(size_t)k * STACK];
      fibers[k].uc_stack.ss_size = STACK;
      fibers[k].uc_link = &scheduler;
      makecontext(&fibers[k], begin, 0);
    }
    std::iota(turns.begin(), turns.end(), 0);
    if (order == 1) std::reverse(turns.begin(), turns.end());
    while (std::count(done, done + threads, true) < threads) {
      if (order == 2) std::shuffle(turns.begin(), turns.end(), draw);
      for (int k : turns) {
        if (done[k]) continue;
        current = k;
        swapcontext(&scheduler, &fibers[k]);
      }
    }
    ++since;
  }
}

// races : places that two threads touched, one of them writing, without waiting for each other; where : the first of them
extern "C" void found(long long* numbers) {
  numbers[0] = races, numbers[1] = outside, numbers[2] = where;
  races = outside = 0, where = -1;
}
