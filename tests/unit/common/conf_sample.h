/* A schema with a key of each type, for the tests of configuration. */
#ifndef TESTS_UNIT_COMMON_CONF_SAMPLE_H
#define TESTS_UNIT_COMMON_CONF_SAMPLE_H

#include <towline/conf.h>

struct sample {
	char *name, *data;
	int64_t port, wait_ms;
	uint64_t most_bytes;
	bool strict;
	int level;
	struct tl_strv hosts;
};

extern const struct tl_conf_schema sample_schema;

#endif
