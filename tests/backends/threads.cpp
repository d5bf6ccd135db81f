// What stands for a GPU: the threads of a block are fibers of one CPU thread, run in an order that a test may choose, and every
// place of memory knows which of them touched it since they last waited for each other.
#include <math.h>
#include <setjmp.h>
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
static jmp_buf fibers[MOST], scheduler;  // a context's own switch asks the kernel each time, which takes 20 times as long
static bool done[MOST];
static volatile int current;
#define threadIdx (places[current])

static void give_way() {
  if (!_setjmp(fibers[current])) _longjmp(scheduler, 1);
}

// ---------------------------------------------------------------- waiting

static unsigned int since = 1;  // how often the block's threads have waited for each other
static long long moves;         // how often one arrived somewhere

struct Barrier {
  int arrived = 0;
  unsigned int turn = 0;
};
static Barrier of_block, of_warp[MOST / LANES];

static void wait(Barrier& barrier, int size) {
  const unsigned int turn = barrier.turn;
  ++moves;
  if (++barrier.arrived == size) {
    barrier.arrived = 0;
    ++barrier.turn;
    if (&barrier == &of_block) ++since;
    return;
  }
  while (barrier.turn == turn) give_way();
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
static long long tables_size, own_size, shared_size, trials, races, outside, stuck, where = -1;
static std::vector<Mark> marks;

enum { NEAR = 256 << 10 };
static double near_memory[NEAR / sizeof(double)];
static Mark marks_near[NEAR];

static Mark* mark(const void* place, bool writes) {
  const long long at = (const char*)place - own, near = (const char*)place - (const char*)near_memory;
  const long long table = (const char*)place - tables;
  if (at >= 0 && at < own_size) return &marks[at];
  if (near >= 0 && near < shared_size) return &marks_near[near];
  const bool declared = std::abs((const char*)place - (const char*)places) < 1 << 24;  // it lies beside what is static here
  outside += !declared && (writes || table < 0 || table >= tables_size);
  return nullptr;
}

static void clash(const void* place) {
  const long long at = (const char*)place - own, near = (const char*)place - (const char*)near_memory;
  if (!races++) where = near >= 0 && near < shared_size ? near : at % (own_size / trials);
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
static long long last;

static void begin() {
  give_way();
  kernel((const unsigned char*)tables, (unsigned char*)own, trials, last);
  done[current] = true;
  ++moves;
  _longjmp(scheduler, 1);
}

// starts a thread on a stack of its own, up to where it first gives way
static void start(int k, char* stack) {
  ucontext_t here, there;
  places[k] = Three{(unsigned int)k, 0, 0};
  done[k] = false;
  current = k;
  getcontext(&there);
  there.uc_stack.ss_sp = stack;
  there.uc_stack.ss_size = STACK;
  there.uc_link = nullptr;
  makecontext(&there, begin, 0);
  if (!_setjmp(scheduler)) swapcontext(&here, &there);
}

static void resume(int k) {
  current = k;
  if (!_setjmp(scheduler)) _longjmp(fibers[k], 1);
}

// order : 0, the first thread first; 1, the last first; 2, another order each time
extern "C" void launch(
    Kernel function, const char* read_only, long long read_only_size, char* memory, long long memory_size, long long count,
    long long end, int threads, int blocks, int order, long long shared) {
  static std::vector<char> stacks((size_t)MOST * STACK);
  static std::mt19937 draw(1);
  kernel = function, tables = read_only, tables_size = read_only_size, own = memory, own_size = memory_size;
  trials = count, last = end, shared_size = shared;
  marks.resize(own_size);
  blockDim.x = threads, gridDim.x = blocks;
  std::vector<int> turns(threads);
  for (int block = 0; block < blocks; ++block) {
    blockIdx.x = block;
    for (int k = 0; k < threads; ++k) start(k, &stacks[(size_t)k * STACK]);
    std::iota(turns.begin(), turns.end(), 0);
    if (order == 1) std::reverse(turns.begin(), turns.end());
    while (std::count(done, done + threads, true) < threads) {
      if (order == 2) std::shuffle(turns.begin(), turns.end(), draw);
      const long long before = moves;
      for (int k : turns) {
        if (!done[k]) resume(k);
      }
      if (moves == before) {  // each waits for what will not come
        ++stuck;
        of_block = Barrier();
        for (Barrier& barrier : of_warp) barrier = Barrier();
        break;
      }
    }
    ++since;
  }
}

// stuck : blocks whose threads waited for ever
// races : places that two threads touched, one of them writing, without waiting for each other; where : the first of them
extern "C" void found(long long* numbers) {
  numbers[0] = races, numbers[1] = outside, numbers[2] = where, numbers[3] = stuck;
  races = outside = stuck = 0, where = -1;
}
