/* Short forms for tests of built-in collectors: one row on a stage, and facts out of its snapshot. */
#ifndef TOWLINE_TEST_SCENE_H
#define TOWLINE_TEST_SCENE_H

#include "collect/builtin/builtin.h"
#include "stage.h"

#define S(...) ((const char *const[]){__VA_ARGS__, NULL})

typedef int scene_run(struct collect_context *context, struct tl_err *err);

/* Runs one built-in row, named "scene" of the group "test"; fails the test when the run fails. */
void scene_play(struct stage *stage, scene_run *run, const char *const *sources);
/* As scene_play, with a limit of bytes. */
void scene_play_within(struct stage *stage, scene_run *run, const char *const *sources,
		       uint64_t max_bytes);
/* Makes a link at `path` below the root that says `target`. */
void scene_link(struct stage *stage, const char *path, const char *target);
/* What the index says became of the row. */
const char *scene_outcome(const struct stage *stage);
/* The parsed member; owned by the caller; fails the test when there is none. */
json_t *scene_json(const struct stage *stage, const char *path);
/* The item `name` of snapshot/WHAT.json; NULL when there is none. Owned by the caller. */
json_t *scene_item(const struct stage *stage, const char *what, const char *name);

#endif
