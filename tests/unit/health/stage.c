#include "stage.h"

#include <ftw.h>
#include <sys/stat.h>
#include <towline/str.h>
#include <unistd.h>

int stage_set_up(void **state)
{
	struct stage *stage = calloc(1, sizeof *stage);

	assert_non_null(stage);
	strcpy(stage->root, "/tmp/towline-stage-XXXXXX");
	assert_non_null(mkdtemp(stage->root));
	tl_clock_fake_init(&stage->clock, STAGE_NOW_MS);
	stage->agent.queue_items = -1;
	stage->options = (struct tl_health_options){.root = stage->root,
						    .clock = &stage->clock.clock,
						    .agent = &stage->agent,
						    .deadline_ms = 20000};
	*state = stage;
	return 0;
}

static int remove_one(const char *path, const struct stat *file TL_UNUSED, int flag TL_UNUSED,
		      struct FTW *ftw TL_UNUSED)
{
	return remove(path);
}

int stage_tear_down(void **state)
{
	struct stage *stage = *state;

	nftw(stage->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	json_decref(stage->snapshot);
	free(stage);
	return 0;
}

const char *stage_path(const struct stage *stage, const char *path)
{
	static char full[4096];

	snprintf(full, sizeof full, "%s%s", stage->root, path);
	return full;
}

void stage_dir(const struct stage *stage, const char *path)
{
	char full[4096];

	snprintf(full, sizeof full, "%s%s/", stage->root, path);
	for (char *slash = strchr(full + strlen(stage->root) + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(full, 0755);
		*slash = '/';
	}
}

void stage_file(const struct stage *stage, const char *path, const char *format, ...)
{
	char above[4096];
	FILE *file;
	va_list args;

	snprintf(above, sizeof above, "%.*s", (int)(strrchr(path, '/') - path), path);
	stage_dir(stage, above);
	file = fopen(stage_path(stage, path), "we");
	assert_non_null(file);
	va_start(args, format);
	vfprintf(file, format, args);
	va_end(args);
	fclose(file);
}

void stage_take(struct stage *stage)
{
	struct tl_err err = TL_ERR_INIT;
	json_t *snapshot = NULL;

	if (tl_health_take(&stage->options, &snapshot, &err) != 0)
		fail_msg("%s", tl_err_text(&err));
	json_decref(stage->snapshot);
	stage->snapshot = snapshot;
}

const json_t *stage_find(const struct stage *stage, const char *name, const char *subject)
{
	const json_t *fact;
	size_t i;

	json_array_foreach(json_object_get(stage->snapshot, "facts"), i, fact)
	{
		const char *own = json_string_value(json_object_get(fact, "subject"));

		if (tl_streq(json_string_value(json_object_get(fact, "name")), name) &&
		    (subject ? tl_streq(own, subject) : !own))
			return fact;
	}
	return NULL;
}

double stage_number(const struct stage *stage, const char *name, const char *subject)
{
	const json_t *fact = stage_find(stage, name, subject);

	if (!fact || !json_is_number(json_object_get(fact, "value")))
		fail_msg("there is no number %s of %s", name, subject ? subject : "the host");
	return json_number_value(json_object_get(fact, "value"));
}

void assert_verdict(const struct stage *stage, const char *name, const char *subject,
		    const char *verdict)
{
	const json_t *fact = stage_find(stage, name, subject);
	const char *own = json_string_value(json_object_get(fact, "verdict"));

	if (!fact)
		fail_msg("there is no fact %s of %s", name, subject ? subject : "the host");
	if (verdict ? !tl_streq(own, verdict) : own != NULL)
		fail_msg("%s is %s, not %s", name, own ? own : "not judged",
			 verdict ? verdict : "without a verdict");
}

void assert_no_fact(const struct stage *stage, const char *name)
{
	const json_t *fact;
	size_t i;

	json_array_foreach(json_object_get(stage->snapshot, "facts"), i, fact)
	{
		if (tl_streq(json_string_value(json_object_get(fact, "name")), name))
			fail_msg("there is a fact %s", name);
	}
}

void assert_text(const struct stage *stage, const char *name, const char *subject,
		 const char *words)
{
	const char *text =
		json_string_value(json_object_get(stage_find(stage, name, subject), "text"));

	if (!text || !strstr(text, words))
		fail_msg("%s says \"%s\", not \"%s\"", name, text ? text : "nothing", words);
}
