// A file in the safetensors format.
#include "../checkpoint.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // What starts otherwise is another format.
  constexpr size_t json = sizeof(uint64_t);
  if (size > json && data[json] == '{' && data[0] != 'P' && data[0] != 0x80) {
    // An empty tensor takes 50 characters of the header and a few times as many bytes in memory.
    bertcnn::fuzz::check_checkpoint(bertcnn::fuzz::bytes_of(data, size),
                                    (size_t{16} << 10) + 16 * size);
  }
  return 0;
}
