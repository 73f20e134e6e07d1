# One interface target, towline_options, carries the language level, the house's warnings and what the
# build type asks for. Every target of the project links it (packaging/cmake/Targets.cmake).

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

set(TOWLINE_SANITIZE "" CACHE STRING "Sanitizers, as given to -fsanitize= (address,undefined or thread)")
option(TOWLINE_HARDEN "Hardening flags of a release" OFF)
option(TOWLINE_COVERAGE "Instrument for gcov" OFF)
option(TOWLINE_FUZZ "Build the fuzz targets with libFuzzer (clang)" OFF)

add_library(towline_options INTERFACE)
target_include_directories(towline_options INTERFACE ${PROJECT_SOURCE_DIR}/include)
target_compile_definitions(towline_options INTERFACE
  _GNU_SOURCE TOWLINE_VERSION="${PROJECT_VERSION}")
target_compile_options(towline_options INTERFACE
  -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
  -Wpointer-arith -Wcast-qual -Wwrite-strings -Wformat=2 -Wundef -Wvla -Wimplicit-fallthrough
  -Wno-missing-field-initializers
  -fno-common -fno-strict-aliasing)

# Reproducible: neither the directory of the sources nor that of the build shows in what is built
# (tests/reproducible builds twice and compares). Later maps are tried first.
target_compile_options(towline_options INTERFACE
  -ffile-prefix-map=${PROJECT_SOURCE_DIR}/= -ffile-prefix-map=${PROJECT_BINARY_DIR}=/build
  -Wdate-time)

# A release keeps its assertions: a programmer's mistake stops the program instead of spreading.
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")

if(TOWLINE_SANITIZE)
  target_compile_options(towline_options INTERFACE
    -fsanitize=${TOWLINE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(towline_options INTERFACE -fsanitize=${TOWLINE_SANITIZE})
endif()

if(TOWLINE_FUZZ)
  target_compile_options(towline_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

if(TOWLINE_HARDEN)
  target_compile_options(towline_options INTERFACE
    -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection
    -ftrivial-auto-var-init=zero)
  if(CMAKE_C_COMPILER_ID STREQUAL Clang AND CMAKE_C_COMPILER_VERSION VERSION_LESS 16)
    target_compile_options(towline_options INTERFACE
      -enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang)
  endif()
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|i.86")
    target_compile_options(towline_options INTERFACE -fcf-protection)
  elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64")
    target_compile_options(towline_options INTERFACE -mbranch-protection=standard)
  endif()
  target_link_options(towline_options INTERFACE
    LINKER:-z,relro LINKER:-z,now LINKER:-z,noexecstack LINKER:--as-needed)
endif()

if(TOWLINE_COVERAGE)
  target_compile_options(towline_options INTERFACE --coverage)
  target_link_options(towline_options INTERFACE --coverage)
endif()

# Objects are position-independent; with this policy (CMP0083) programs are linked as PIE, too.
include(CheckPIESupported)
check_pie_supported(LANGUAGES C)
