// Where a test build lets a stage fail (test/faults). In any other build there is nothing here.
#pragma once

namespace bertcnn {

#ifdef BERTCNN_FAULTS
/// Throws where a test has asked for that stage to fail.
void fault_point(const char* stage);
#else
inline void fault_point(const char* /*stage*/) {}
#endif

}  // namespace bertcnn
