// Tests of row kernels run with every table that the processor can run.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kernels/cpu/row_kernels.h"

namespace bertcnn::kernels::cpu {

inline std::vector<const RowKernels*> all_tables() {
  int count = 0;
  const RowKernels* const* tables = runnable_row_kernels(count);
  return {tables, tables + count};
}

inline std::string table_name(const ::testing::TestParamInfo<const RowKernels*>& table) {
  return table.param->name;
}

}  // namespace bertcnn::kernels::cpu
