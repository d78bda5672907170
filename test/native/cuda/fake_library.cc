// Libraries that the loader meets: one that fits, and some that do not, by FAKE_*.
#include "cuda/host/entry.h"

#ifndef FAKE_INTERFACE
#define FAKE_INTERFACE bertcnn::cuda::kInterfaceVersion
#endif
#ifndef FAKE_LIBTORCH
#define FAKE_LIBTORCH "2.14"
#endif

#ifndef FAKE_WITHOUT_ENTRY
extern "C" __attribute__((visibility("default"))) const bertcnn::cuda::Entry* bertcnn_cuda_entry() {
  static const bertcnn::cuda::Entry entry = {FAKE_INTERFACE, FAKE_LIBTORCH, nullptr};
  return &entry;
}
#endif
