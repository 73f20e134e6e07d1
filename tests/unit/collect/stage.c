#include "stage.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <towline/fs.h>
#include <towline/str.h>

#define WALL_MS 1767225600000
#define BUNDLE_ID "01j9zs2b5d0000000000000000"

/* Wall time stands still, so that bundles compare; deadlines are real. */
static int64_t real_mono_ms(const struct tl_clock *clock TL_UNUSED)
{
	return tl_clock_mono_ms(tl_clock_system());
}

int stage_set_up(void **state)
{
	struct stage *stage = calloc(1, sizeof *stage);
	const char *tmp = getenv("TMPDIR");

	snprintf(stage->root, sizeof stage->root, "%.90s/towline-stage-XXXXXX", tmp ? tmp : "/tmp");
	tl_clock_fake_init(&stage->clock, WALL_MS);
	stage->clock.clock.mono_ms = real_mono_ms;
	*state = stage;
	return mkdtemp(stage->root) ? 0 : -1;
}

int stage_tear_down(void **state)
{
	struct stage *stage = *state;
	char command[320];
	int r;

	snprintf(command, sizeof command, "chmod -R u+rwX '%s'; rm -rf -- '%s'", stage->root,
		 stage->root);
	r = system(command);
	json_decref(stage->members);
	json_decref(stage->exclude);
	tl_bundle_facts_clear(&stage->facts);
	free(stage);
	return r == 0 ? 0 : -1;
}

const char *stage_path(const struct stage *stage, const char *path)
{
	static char full[512];

	snprintf(full, sizeof full, "%s%s", stage->root, path);
	return full;
}

void stage_file(struct stage *stage, const char *path, const char *text)
{
	char dir[512];
	tl_fd int dir_fd = -1;
	FILE *file;

	snprintf(dir, sizeof dir, "%s", stage_path(stage, path));
	*strrchr(dir, '/') = '\0';
	if (tl_fs_make_dir(dir, 0755, &dir_fd, NULL) < 0)
		abort();
	file = fopen(stage_path(stage, path), "w");
	if (!file || fputs(text, file) < 0 || fclose(file) != 0)
		abort();
}

struct reading {
	json_t *members;
	char path[TL_BUNDLE_PATH_MAX];
	struct tl_buf text;
};

static int on_member(void *arg, const struct tl_bundle_member *member, struct tl_err *err TL_UNUSED)
{
	struct reading *reading = arg;

	snprintf(reading->path, sizeof reading->path, "%s", member->path);
	tl_buf_reset(&reading->text);
	return 0;
}

static int on_data(void *arg, const void *bytes, size_t len, struct tl_err *err TL_UNUSED)
{
	struct reading *reading = arg;

	if (bytes)
		tl_buf_append(&reading->text, bytes, len);
	else
		json_object_set_new(reading->members, reading->path,
				    json_string(tl_buf_str(&reading->text)));
	return 0;
}

static int read_bundle(struct stage *stage, int fd)
{
	struct reading reading = {.members = json_object(), .text = TL_BUF_INIT(64 << 20)};
	struct tl_bundle_visitor visitor = {on_member, on_data, &reading};
	int r;

	json_decref(stage->members);
	stage->members = reading.members;
	tl_bundle_facts_clear(&stage->facts);
	lseek(fd, 0, SEEK_SET);
	r = tl_bundle_check(fd, &tl_bundle_limits_default, &stage->facts, &stage->err);
	lseek(fd, 0, SEEK_SET);
	if (r == 0)
		r = tl_bundle_walk(fd, &tl_bundle_limits_default, &visitor, &stage->err);
	tl_buf_clear(&reading.text);
	return r;
}

/* Rules are compiled once for all tests of a build: beside the test's program. */
static const char *find_cache(void)
{
	static char path[4096];
	ssize_t len = readlink("/proc/self/exe", path, sizeof path - 16);

	path[len > 0 ? len : 0] = '\0';
	memcpy(strrchr(path, '/'), "/cache", sizeof "/cache");
	return path;
}

int stage_collect(struct stage *stage, const struct collector *rows, size_t count)
{
	tl_fd int fd = memfd_create("bundle", MFD_CLOEXEC);
	tl_json *result = NULL;
	struct collect_request request = {.profile = stage->profile ? stage->profile : "full",
					  .bundle = BUNDLE_ID,
					  .summary = "api_key=canary1",
					  .since = stage->since,
					  .until = stage->until,
					  .exclude = stage->exclude,
					  .level = stage->level,
					  .max_bytes = stage->max_bytes};
	char profiles[sizeof stage->root + 16], rules[sizeof stage->root + 64];
	struct collect_options options = {
		.profiles_dir = stage->profile ? profiles : NULL,
		.rules_dir = stage->rules ? rules : NULL,
		.cache_dir = find_cache(),
		.clock = &stage->clock.clock,
		.root = stage->root,
		.rows = rows,
		.row_count = count,
		.bundle_fd = fd,
		.progress_fd = -1,
	};
	int r;

	snprintf(profiles, sizeof profiles, "%s/profiles", stage->root);
	snprintf(rules, sizeof rules, "%s%.60s", stage->root, stage->rules ? stage->rules : "");
	r = collect_run(&request, &options, &result, &stage->err);

	return r < 0 ? r : read_bundle(stage, fd);
}

const char *stage_member(const struct stage *stage, const char *path)
{
	return json_string_value(json_object_get(stage->members, path));
}

bool stage_noted(const struct stage *stage, const char *source, const char *kind)
{
	for (size_t i = 0; i < json_array_size(stage->facts.errors); i++) {
		const json_t *note = json_array_get(stage->facts.errors, i);

		if (tl_streq(json_string_value(json_object_get(note, "source")), source) &&
		    tl_streq(json_string_value(json_object_get(note, "kind")), kind))
			return true;
	}
	return false;
}

const char *stage_status(const struct stage *stage, const char *path)
{
	const json_t *files = json_object_get(stage->facts.index, "files");

	for (size_t i = 0; i < json_array_size(files); i++) {
		const json_t *file = json_array_get(files, i);

		if (tl_streq(json_string_value(json_object_get(file, "path")), path))
			return json_string_value(json_object_get(file, "status"));
	}
	return NULL;
}
