/* A directory of its own for each test: *state is its path. */
#ifndef TESTS_UNIT_COMMON_SCRATCH_H
#define TESTS_UNIT_COMMON_SCRATCH_H

int scratch_set_up(void **state);
int scratch_tear_down(void **state);

#endif
