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

# towline_embed(TARGET NAME FILES…): the files' bytes inside the library or program, as an array
# `NAME` of struct tl_embedded (towline/embedded.h) in the order given, `NAME_count` long. They are
# installed to share/towline/NAME too, for people to read.
function(towline_embed target name)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/${name}.embedded.c)
  set(rows "")
  set(blobs "")
  set(index 0)
  foreach(file ${ARGN})
    cmake_path(ABSOLUTE_PATH file BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} OUTPUT_VARIABLE path)
    cmake_path(GET file FILENAME base)
    cmake_path(RELATIVE_PATH path BASE_DIRECTORY ${PROJECT_SOURCE_DIR} OUTPUT_VARIABLE relative)
    string(APPEND blobs "__asm__(\".section .rodata\\n${name}_${index}_start:\\n\"\n"
      "\t\".incbin \\\"${relative}\\\"\\n${name}_${index}_end:\\n.byte 0\\n.previous\\n\");\n"
      "extern const char ${name}_${index}_start[], ${name}_${index}_end[];\n")
    string(APPEND rows "\t{\"${base}\", ${name}_${index}_start, ${name}_${index}_end},\n")
    math(EXPR index "${index} + 1")
    list(APPEND paths ${path})
  endforeach()
  file(CONFIGURE OUTPUT ${source} CONTENT
    "#include <towline/embedded.h>\n\n${blobs}\nextern const struct tl_embedded ${name}[];\nextern const size_t ${name}_count;\nconst struct tl_embedded ${name}[] = {\n${rows}};\nconst size_t ${name}_count = ${index};\n")
  set_source_files_properties(${source} PROPERTIES
    OBJECT_DEPENDS "${paths}"
    COMPILE_OPTIONS "-Wa,-I${PROJECT_SOURCE_DIR};-fno-lto")
  target_sources(${target} PRIVATE ${source})
  install(FILES ${paths} DESTINATION ${CMAKE_INSTALL_DATADIR}/towline/${name})
endfunction()
