/* A configuration file with a key of each type. */
#include <stdint.h>
#include <stdlib.h>
#include <towline/conf.h>

struct config {
	char *text, *path;
	int64_t number, duration_ms;
	uint64_t size;
	bool flag;
	int choice;
	struct tl_strv list;
};

static const char *const choices[] = {"one", "two", NULL};

static const struct tl_conf_key keys[] = {
	{"choice", TL_CONF_CHOICE, offsetof(struct config, choice), "one", 0, 0, choices,
	 "A choice."},
	{"flag", TL_CONF_BOOL, offsetof(struct config, flag), "true", 0, 0, NULL, "A flag."},
	{"group.list", TL_CONF_LIST, offsetof(struct config, list), "a, b", 0, 8, NULL, "A list."},
	{"group.sub.path", TL_CONF_PATH, offsetof(struct config, path), "p", 0, 0, NULL, "A path."},
	{"number", TL_CONF_INT, offsetof(struct config, number), "1", 1, 9, NULL, "A number."},
	{"size", TL_CONF_SIZE, offsetof(struct config, size), "1K", 0, 0, NULL, "A size."},
	{"text", TL_CONF_TEXT, offsetof(struct config, text), "t", 0, 64, NULL, "A text."},
	{"wait", TL_CONF_DURATION, offsetof(struct config, duration_ms), "1s", 0, 0, NULL,
	 "A span."},
};

static const struct tl_conf_schema schema = {
	.name = "fuzz.yaml",
	.intro = "For the fuzzer.",
	.keys = keys,
	.key_count = TL_ARRAY_LEN(keys),
	.struct_size = sizeof(struct config),
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config config = {.text = NULL};
	struct tl_err err = TL_ERR_INIT;
	int outcome =
		tl_conf_parse(&schema, "fuzz.yaml", "/", (const char *)data, size, &config, &err);

	if (!outcome && (config.number < 1 || config.number > 9 || config.choice > 1 ||
			 !config.path || config.list.count > 8))
		abort();
	if (outcome && outcome != TL_ECONFIG && outcome != TL_ENOMEM)
		abort();
	tl_conf_clear(&schema, &config);
	return 0;
}
