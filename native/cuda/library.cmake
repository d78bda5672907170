# libbertcnn_cuda.so, beside the addon: kernels by nvcc, and the rest by the compiler of everything else.
# No enable_language(CUDA), whose checks want a whole toolkit where a compiler from a wheel does.
if(NOT EXISTS "${BERTCNN_NVCC}")
  message(FATAL_ERROR "BERTCNN_NVCC is '${BERTCNN_NVCC}', which is no nvcc. "
                      "Run 'npm run setup -- --variant cuda', which finds one and passes it here.")
endif()
get_filename_component(CUDA_TOOLKIT "${BERTCNN_NVCC}" DIRECTORY)
get_filename_component(CUDA_TOOLKIT "${CUDA_TOOLKIT}" DIRECTORY)

# Binaries for A100 and H100 and what is of their families, and PTX that drivers of later cards translate.
set(ARCHITECTURES
  -gencode=arch=compute_80,code=sm_80
  -gencode=arch=compute_90,code=sm_90
  -gencode=arch=compute_90,code=compute_90)

file(GLOB KERNEL_SOURCES CONFIGURE_DEPENDS native/cuda/kernels/*.cu)
foreach(SOURCE ${KERNEL_SOURCES})
  get_filename_component(NAME ${SOURCE} NAME_WE)
  set(OBJECT ${CMAKE_CURRENT_BINARY_DIR}/${NAME}.cu.o)
  add_custom_command(OUTPUT ${OBJECT}
    COMMAND ${BERTCNN_NVCC} -std=c++20 -O3 -ccbin ${CMAKE_CXX_COMPILER}
      -Xcompiler=-fPIC,-fvisibility=hidden ${ARCHITECTURES} -I${PROJECT_SOURCE_DIR}/native
      -MD -MF ${OBJECT}.d -c ${SOURCE} -o ${OBJECT}
    DEPENDS ${SOURCE} DEPFILE ${OBJECT}.d
    COMMENT "Building CUDA object ${NAME}.cu.o" VERBATIM)
  list(APPEND KERNEL_OBJECTS ${OBJECT})
endforeach()

file(GLOB LIBRARY_SOURCES CONFIGURE_DEPENDS native/cuda/*.cc)
# By its bare name in the folder where the linker runs, as the addon's.
configure_file(native/cuda/exports.map cuda_exports.map COPYONLY)
add_library(bertcnn_cuda SHARED ${LIBRARY_SOURCES} ${KERNEL_OBJECTS})
set_target_properties(bertcnn_cuda PROPERTIES
  LIBRARY_OUTPUT_DIRECTORY "${BERTCNN_ADDON_DIR}"
  LINK_DEPENDS ${CMAKE_CURRENT_BINARY_DIR}/cuda_exports.map
  BUILD_RPATH "${BERTCNN_LIBTORCH}/lib" SKIP_BUILD_RPATH OFF)
target_include_directories(bertcnn_cuda SYSTEM PRIVATE "${CUDA_TOOLKIT}/include")
# What libtorch_cuda needs of NVIDIA's libraries, cudart above all, comes with it when it is loaded.
target_link_options(bertcnn_cuda PRIVATE
  "LINKER:--version-script=cuda_exports.map" "LINKER:-z,now" "LINKER:--no-as-needed" "LINKER:--allow-shlib-undefined")
target_link_libraries(bertcnn_cuda PRIVATE torch_cpu
  "${BERTCNN_LIBTORCH}/lib/libtorch_cuda.so" "${BERTCNN_LIBTORCH}/lib/libc10_cuda.so")
