// bertcnn_parity MODEL_DIRECTORY CASE.json INPUT.safetensors OUTPUT.safetensors
//
// Runs one case for the live comparison with PyTorch (test/parity/run.py) and writes what it
// computed.
#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>

#include "parity_run.h"

namespace bertcnn::parity {
namespace {

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail("ERR_FILE_NOT_FOUND", "Could not open '", path, "'.");
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void write_results(const Results& results, const std::string& path) {
  std::vector<at::Tensor> storage;  // contiguous copies, alive until the file is written
  std::vector<checkpoint::Tensor> tensors;
  for (const auto& [name, values] : results) {
    storage.push_back(values.detach().contiguous());
    const at::Tensor& tensor = storage.back();
    const auto bytes = std::as_bytes(
        std::span(tensor.const_data_ptr<float>(), static_cast<size_t>(tensor.numel())));
    tensors.push_back({name, checkpoint::DType::float32, tensor.sizes().vec(), bytes});
  }
  checkpoint::write_safetensors(path, tensors, {{"format", "pt"}});
}

void run_files(const std::string& directory, const std::string& case_file, const std::string& input,
               const std::string& output) {
  const Case to_run = read_case(json::parse(read_file(case_file), case_file), directory);
  const auto tensors = checkpoint::Checkpoint::open(input);
  if (tensors.find("places") != nullptr) {
    write_results(guess_tokens(to_run, tensors), output);
    return;
  }
  const Inputs inputs = read_inputs(tensors);
  write_results(run(to_run, inputs, output + ".weights.safetensors"), output);
  std::remove((output + ".weights.safetensors").c_str());
}

}  // namespace
}  // namespace bertcnn::parity

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fputs(
        "usage: bertcnn_parity MODEL_DIRECTORY CASE.json INPUT.safetensors OUTPUT.safetensors\n",
        stderr);
    return 2;
  }
  try {
    bertcnn::parity::run_files(argv[1], argv[2], argv[3], argv[4]);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
