# The four kinds of target. Sources are listed by name; nothing is globbed.

# towline_library(NAME SOURCES… [LIBS …]): a static library. Headers are found from the part's root
# (agent/, server/), so that an include names its room: #include "store/store.h".
function(towline_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;LIBS" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC towline_options ${arg_LIBS})
  towline_part_includes(${name})
endfunction()

# towline_program(NAME SOURCES… [LIBS …] [LIBEXEC]): an executable in bin/. LIBEXEC programs are run by
# other programs only and are installed to libexec/towline.
function(towline_program name)
  cmake_parse_arguments(arg "LIBEXEC" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE towline_options ${arg_LIBS})
  towline_part_includes(${name})
  if(arg_LIBEXEC)
    install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/towline)
  else()
    install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
endfunction()

# Agent and server each see their own part and include/; neither sees the other.
function(towline_part_includes name)
  foreach(part agent server)
    string(FIND "${CMAKE_CURRENT_SOURCE_DIR}/" "${PROJECT_SOURCE_DIR}/${part}/" at)
    if(at EQUAL 0)
      target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR}/${part})
    endif()
  endforeach()
endfunction()

# towline_test(NAME [SOURCES …] [LIBS …] [WRAP function…]): tests/unit/<area>/test_<module>.c as one
# executable and one ctest entry "unit/<area>/<module>". NAME is test_<module>.
function(towline_test name)
  cmake_parse_arguments(arg "" "" "SOURCES;LIBS;WRAP" ${ARGN})
  cmake_path(GET CMAKE_CURRENT_SOURCE_DIR FILENAME area)
  set(target unit_${area}_${name})
  add_executable(${target} ${name}.c ${arg_SOURCES})
  target_link_libraries(${target} PRIVATE towline_options ${arg_LIBS} towline::cmocka)
  foreach(function ${arg_WRAP})
    target_link_options(${target} PRIVATE LINKER:--wrap=${function})
  endforeach()
  set_target_properties(${target} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests/unit)
  string(REPLACE "test_" "" module ${name})
  add_test(NAME unit/${area}/${module} COMMAND ${target})
  set_tests_properties(unit/${area}/${module} PROPERTIES LABELS unit TIMEOUT 120)
endfunction()

# towline_fuzz(NAME [SOURCES …] [LIBS …]): tests/fuzz/fuzz_<x>.c defines LLVMFuzzerTestOneInput. With
# TOWLINE_FUZZ it is a libFuzzer program; otherwise a program that replays tests/fuzz/corpus/<x>/, run
# by ctest as "fuzz/<x>".
function(towline_fuzz name)
  cmake_parse_arguments(arg "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${name}.c ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE towline_options ${arg_LIBS})
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests/fuzz)
  if(TOWLINE_FUZZ)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/fuzz/replay.c)
  endif()
  string(REPLACE "fuzz_" "" subject ${name})
  if(NOT TOWLINE_FUZZ)
    add_test(NAME fuzz/${subject}
      COMMAND ${name} ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${subject})
    set_tests_properties(fuzz/${subject} PROPERTIES LABELS fuzz TIMEOUT 120)
  endif()
endfunction()
