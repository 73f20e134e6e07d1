/* A YAML document, read as a tree and by a table of members. */
#include <stdlib.h>
#include <string.h>
#include <towline/yaml.h>

struct rule {
	const char *id;
	int64_t count;
	const struct tl_yaml_node *words;
};

static const struct tl_yaml_member members[] = {
	{"id", TL_YAML_TEXT, true, offsetof(struct rule, id), 0, 64},
	{"count", TL_YAML_INT, false, offsetof(struct rule, count), 0, 9},
	{"words", TL_YAML_TEXTS, false, offsetof(struct rule, words), 0, 8},
};

static size_t count_nodes(const struct tl_yaml_node *node)
{
	size_t count = 1;

	for (const struct tl_yaml_node *child = node->first; child; child = child->next)
		count += count_nodes(child);
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	tl_auto(tl_yaml) struct tl_yaml *yaml = NULL;
	struct rule rule = {.id = NULL};
	struct tl_err err = TL_ERR_INIT;

	if (tl_yaml_parse("fuzz.yaml", (const char *)data, size, &yaml, &err) < 0)
		return 0;
	if (count_nodes(tl_yaml_root(yaml)) > TL_YAML_NODES_MAX)
		abort();
	if (tl_yaml_read(yaml, tl_yaml_root(yaml), members, TL_ARRAY_LEN(members), &rule, &err) ==
		    0 &&
	    (!rule.id || strlen(rule.id) > 64 || (rule.words && rule.words->count > 8)))
		abort();
	return 0;
}
