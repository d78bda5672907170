// A file in one of PyTorch's formats: a zip archive, or pickles one after another.
#include "../checkpoint.h"
#include "checkpoint/state_dict.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 0 && (data[0] == 'P' || data[0] == 0x80)) {
    // Of the five pickles in the old format two are in memory at a time; a vector that grows holds
    // up to three times what it needs.
    bertcnn::fuzz::check_checkpoint(bertcnn::fuzz::bytes_of(data, size),
                                    4 * bertcnn::checkpoint::pickle_memory(size) + 16 * size);
  }
  return 0;
}
