// bertcnn_gpu_check SECTION DEVICE FOLDER: runs one section of scripts/check-gpu.mjs and prints a
// line of JSON for each row of its table. FOLDER keeps the models from section to section.
#include <cstdio>
#include <exception>
#include <map>
#include <string>

#include "gpu_model.h"

int main(int argc, char** argv) {
  using namespace bertcnn::gpu;
  static const std::map<std::string, void (*)(const Setting&)> sections = {
      {"parity", check_parity},
      {"memory", check_memory},
      {"out-of-memory", check_out_of_memory},
      {"soak", check_soak},
      {"speed", measure_speed}};
  const auto section = sections.find(argc == 4 ? argv[1] : "");
  if (section == sections.end()) {
    std::fputs("usage: bertcnn_gpu_check parity|memory|out-of-memory|soak|speed DEVICE FOLDER\n",
               stderr);
    return 2;
  }
  try {
    section->second({argv[2], argv[3]});
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
