# Every outside library, found once. docs/dependencies.md says why each was chosen.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

set(modules
    uv:libuv jansson:jansson yaml:yaml-0.1 crypto:libcrypto ssl:libssl curl:libcurl ssh:libssh
    archive:libarchive zstd:libzstd pcre2:libpcre2-8 hs:libhs sqlite:sqlite3 pq:libpq
    systemd:libsystemd seccomp:libseccomp cap:libcap pam:pam)
if(BUILD_TESTING)
  list(APPEND modules cmocka:cmocka)
endif()
foreach(entry ${modules})
  string(REPLACE ":" ";" entry ${entry})
  list(GET entry 0 name)
  list(GET entry 1 module)
  pkg_check_modules(${name} REQUIRED IMPORTED_TARGET ${module})
  add_library(towline::${name} ALIAS PkgConfig::${name})
endforeach()

# llhttp: newer distributions ship libllhttp-dev; Debian 12 ships its C sources in node-llhttp.
find_path(LLHTTP_INCLUDE_DIR llhttp.h PATHS /usr/share/include/llhttp)
find_library(LLHTTP_LIBRARY llhttp)
find_path(LLHTTP_SOURCE_DIR llhttp.c PATHS /usr/share/llhttp)
if(LLHTTP_LIBRARY)
  add_library(towline_llhttp INTERFACE)
  target_link_libraries(towline_llhttp INTERFACE ${LLHTTP_LIBRARY})
elseif(LLHTTP_SOURCE_DIR)
  add_library(towline_llhttp STATIC
    ${LLHTTP_SOURCE_DIR}/api.c ${LLHTTP_SOURCE_DIR}/http.c ${LLHTTP_SOURCE_DIR}/llhttp.c)
  target_link_libraries(towline_llhttp PRIVATE towline_options)
  target_compile_options(towline_llhttp PRIVATE -w)
  target_compile_definitions(towline_llhttp PRIVATE LLHTTP_STRICT_MODE=1)
  target_include_directories(towline_llhttp SYSTEM PRIVATE ${LLHTTP_INCLUDE_DIR})
else()
  message(FATAL_ERROR "llhttp is missing: install libllhttp-dev, or node-llhttp on Debian 12")
endif()
target_include_directories(towline_llhttp SYSTEM INTERFACE ${LLHTTP_INCLUDE_DIR})
add_library(towline::llhttp ALIAS towline_llhttp)

# wslay: Debian's package carries no pkg-config file.
find_path(WSLAY_INCLUDE_DIR wslay/wslay.h REQUIRED)
find_library(WSLAY_LIBRARY wslay REQUIRED)
add_library(towline_wslay INTERFACE)
target_include_directories(towline_wslay SYSTEM INTERFACE ${WSLAY_INCLUDE_DIR})
target_link_libraries(towline_wslay INTERFACE ${WSLAY_LIBRARY})
add_library(towline::wslay ALIAS towline_wslay)
