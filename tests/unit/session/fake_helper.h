/* A helper for tests: a process of its own that speaks session.spawn, .signal, .wait and .end as
 * docs/protocol.md says, and runs the programs as the tests' own user. */
#ifndef TESTS_FAKE_HELPER_H
#define TESTS_FAKE_HELPER_H

#include <sys/types.h>

/* Listens at `path` before it returns. */
pid_t fake_helper_start(const char *path);
void fake_helper_stop(pid_t pid);

#endif
