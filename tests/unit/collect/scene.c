#include "scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <towline/fs.h>
#include <towline/str.h>

void scene_play_within(struct stage *stage, scene_run *run, const char *const *sources,
		       uint64_t max_bytes)
{
	struct collector row = {.name = "scene",
				.group = "test",
				.summary = "a scene of a test",
				.kind = COLLECT_BUILTIN,
				.flags = COLLECT_DEFAULT,
				.sources = sources,
				.run = run,
				.max_bytes = max_bytes,
				.timeout_ms = 20000};

	if (stage_collect(stage, &row, 1) != 0)
		fail_msg("%s", tl_err_text(&stage->err));
}

void scene_play(struct stage *stage, scene_run *run, const char *const *sources)
{
	scene_play_within(stage, run, sources, 4 << 20);
}

void scene_link(struct stage *stage, const char *path, const char *target)
{
	char dir[512];
	tl_fd int dir_fd = -1;

	snprintf(dir, sizeof dir, "%s", stage_path(stage, path));
	*strrchr(dir, '/') = '\0';
	assert_int_equal(tl_fs_make_dir(dir, 0755, &dir_fd, NULL), 0);
	assert_int_equal(symlink(target, stage_path(stage, path)), 0);
}

const char *scene_outcome(const struct stage *stage)
{
	const json_t *rows = json_object_get(stage->facts.index, "collectors");

	return json_string_value(json_object_get(json_array_get(rows, 0), "outcome"));
}

json_t *scene_json(const struct stage *stage, const char *path)
{
	const char *text = stage_member(stage, path);
	json_t *json = NULL;

	assert_non_null(text);
	assert_int_equal(tl_json_parse(text, strlen(text), &json, NULL), 0);
	return json;
}

json_t *scene_item(const struct stage *stage, const char *what, const char *name)
{
	char path[96];
	tl_json *snapshot = NULL;
	const json_t *items;

	snprintf(path, sizeof path, "snapshot/%s.json", what);
	snapshot = scene_json(stage, path);
	items = json_object_get(snapshot, "items");
	assert_true(json_is_array(items));
	for (size_t i = 0; i < json_array_size(items); i++) {
		json_t *item = json_array_get(items, i);

		if (tl_streq(json_string_value(json_object_get(item, "name")), name))
			return json_incref(item);
	}
	return NULL;
}
