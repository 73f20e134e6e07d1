/* Loaded modules, from /proc/modules and what /sys/module says of their origin. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <towline/str.h>

#include "collect/builtin/builtin.h"
#include "collect/builtin/snapshot.h"
#include "collect/kernel.h"

#define LIST_MAX (1024 * 1024)
#define WORDS 7

static void add_text(const struct collect_context *context, json_t *module, const char *name,
		     const char *member)
{
	char path[256], text[128];

	snprintf(path, sizeof path, "/sys/module/%s/%s", name, member);
	kernel_read(context, path, text, sizeof text);
	if (text[0])
		json_object_set_new(module, member, snapshot_text(text));
}

int collect_modules(struct collect_context *context, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf list = TL_BUF_INIT(LIST_MAX);
	tl_json *items = json_array();
	char *rest, *line, *words[WORDS];

	if (snapshot_load(context, "/proc/modules", &list) == 0) {
		context->outcome = "absent"; /* a kernel without modules, or none loaded */
		return 0;
	}
	rest = list.data;
	while ((line = snapshot_line(&rest))) {
		size_t count = snapshot_words(line, words, WORDS);
		json_t *module;

		if (count < 5 || strchr(words[0], '/'))
			continue;
		module = json_pack("{s:I, s:I, s:o, s:o}", "bytes", strtoll(words[1], NULL, 10),
				   "users", strtoll(words[2], NULL, 10), "state",
				   snapshot_text(words[4]), "used_by", snapshot_text(words[3]));
		if (count == WORDS)
			json_object_set_new(module, "taint", snapshot_text(words[6]));
		add_text(context, module, words[0], "version");
		add_text(context, module, words[0], "srcversion");
		snapshot_add(items, words[0], module);
	}
	return snapshot_write(context, "modules", items, err);
}
