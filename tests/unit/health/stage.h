/* A small host in a directory: files are written below it, a snapshot is taken of it, facts are looked at. */
#ifndef TESTS_UNIT_HEALTH_STAGE_H
#define TESTS_UNIT_HEALTH_STAGE_H

#include "../common/tests.h"
#include "health/health.h"

#define STAGE_NOW_MS 1795000000000 /* what the stage's clock shows */

struct stage {
	char root[64];
	struct tl_clock_fake clock;
	struct tl_health_agent agent;
	struct tl_health_options options;
	json_t *snapshot; /* taken last */
};

/* Per test: *state is a struct stage. */
int stage_set_up(void **state);
int stage_tear_down(void **state);
#define STAGE_TEST(function) \
	cmocka_unit_test_setup_teardown(function, stage_set_up, stage_tear_down)

/* Writes a file and the directories above it. */
void stage_file(const struct stage *stage, const char *path, const char *format, ...)
	TL_PRINTF(3, 4);
void stage_dir(const struct stage *stage, const char *path);
/* "ROOT/path", until the next call. */
const char *stage_path(const struct stage *stage, const char *path);

/* Takes a snapshot by the stage's options. */
void stage_take(struct stage *stage);
/* NULL when there is none. */
const json_t *stage_find(const struct stage *stage, const char *name, const char *subject);
double stage_number(const struct stage *stage, const char *name, const char *subject);
/* The fact is there and has this verdict; NULL: it has none. */
void assert_verdict(const struct stage *stage, const char *name, const char *subject,
		    const char *verdict);
void assert_no_fact(const struct stage *stage, const char *name);
void assert_text(const struct stage *stage, const char *name, const char *subject,
		 const char *words);

#endif
