#include "conf_sample.h"

static const char *const levels[] = {"low", "high", NULL};

static const struct tl_conf_key keys[] = {
	{"data", TL_CONF_PATH, offsetof(struct sample, data), "data", 0, 0, NULL,
	 "Where data lies."},
	{"hosts", TL_CONF_LIST, offsetof(struct sample, hosts), "a, b", 0, 3, NULL,
	 "Who may come."},
	{"level", TL_CONF_CHOICE, offsetof(struct sample, level), "high", 0, 0, levels,
	 "How much."},
	{"limits.deep.strict", TL_CONF_BOOL, offsetof(struct sample, strict), "true", 0, 0, NULL,
	 "Whether it minds."},
	{"limits.most", TL_CONF_SIZE, offsetof(struct sample, most_bytes), "64M", 1024, 1 << 30,
	 NULL, "The most it takes."},
	{"limits.wait", TL_CONF_DURATION, offsetof(struct sample, wait_ms), "90s", 1000, 3600000,
	 NULL, "How long it waits."},
	{"name", TL_CONF_TEXT, offsetof(struct sample, name), NULL, 1, 10, NULL, "Its name."},
	{"port", TL_CONF_INT, offsetof(struct sample, port), "8443", 1, 65535, NULL, "The port."},
};

const struct tl_conf_schema sample_schema = {
	.name = "sample.yaml",
	.intro = "What a sample is for.",
	.keys = keys,
	.key_count = TL_ARRAY_LEN(keys),
	.struct_size = sizeof(struct sample),
};
