#include "redact/load.h"

#include <stdlib.h>
#include <string.h>

#define ID_MAX 64
#define KEYWORDS_MAX 200
#define KEYWORD_MIN 2 /* one byte gates nothing */
#define WITHIN_MAX 1024
#define ALLOWLISTS_MAX 32
#define ALLOW_ITEMS_MAX 1000

struct definition {
	const char *name;
	char *text;
};

/* One document while it is read. */
struct loader {
	struct rule_set *set;
	const struct tl_yaml *yaml;
	struct definition *definitions;
	size_t definition_count;
	struct tl_err *err;
};

static void loader_clear(struct loader *loader)
{
	for (size_t i = 0; i < loader->definition_count; i++)
		free(loader->definitions[i].text);
	free(loader->definitions);
}
TL_DEFINE_AUTO(loader, loader_clear);

struct file_row {
	const struct tl_yaml_node *define, *rules, *allowlist, *disable;
};

static const struct tl_yaml_member file_members[] = {
	{"define", TL_YAML_NODE, false, offsetof(struct file_row, define)},
	{"disable", TL_YAML_TEXTS, false, offsetof(struct file_row, disable)},
	{"allowlist", TL_YAML_NODE, false, offsetof(struct file_row, allowlist)},
	{"rules", TL_YAML_NODE, false, offsetof(struct file_row, rules)},
};

struct rule_row {
	const char *id, *description, *regex, *path, *block_end, *next_regex;
	const struct tl_yaml_node *keywords, *tags, *allowlists;
	double entropy;
	int64_t group, next_lines, within;
	int follow;
};

/* In the order of enum follow_kind. */
static const char *const follow_words[] = {
	"none",
	"value",
	"block",
	"continued",
	"quoted",
	"element",
	"kubernetes-secret",
	"kubernetes-data",
	NULL,
};

static const struct tl_yaml_member rule_members[] = {
	{"id", TL_YAML_TEXT, true, offsetof(struct rule_row, id), 0, ID_MAX},
	{"description", TL_YAML_TEXT, false, offsetof(struct rule_row, description), 0, 1000},
	{"regex", TL_YAML_TEXT, false, offsetof(struct rule_row, regex), 0, RULE_REGEX_MAX},
	{"path", TL_YAML_TEXT, false, offsetof(struct rule_row, path), 0, 1000},
	{"keywords", TL_YAML_TEXTS, false, offsetof(struct rule_row, keywords), 0, KEYWORDS_MAX},
	{"keywordWithin", TL_YAML_INT, false, offsetof(struct rule_row, within), 0, WITHIN_MAX},
	{"entropy", TL_YAML_NUMBER, false, offsetof(struct rule_row, entropy)},
	{"secretGroup", TL_YAML_INT, false, offsetof(struct rule_row, group), 0, 99},
	{"tags", TL_YAML_TEXTS, false, offsetof(struct rule_row, tags), 0, 20},
	{"allowlists", TL_YAML_NODE, false, offsetof(struct rule_row, allowlists)},
	{"blockEnd", TL_YAML_TEXT, false, offsetof(struct rule_row, block_end), 0, 64},
	{"follow", TL_YAML_CHOICE, false, offsetof(struct rule_row, follow), 0, 0, follow_words},
	{"nextRegex", TL_YAML_TEXT, false, offsetof(struct rule_row, next_regex), 0,
	 RULE_REGEX_MAX},
	{"nextLines", TL_YAML_INT, false, offsetof(struct rule_row, next_lines), 1,
	 FOLLOW_LINES_MAX},
};

struct allow_row {
	const char *description;
	int all, target;
	const struct tl_yaml_node *regexes, *paths, *stopwords;
};

static const char *const conditions[] = {"OR", "AND", NULL};
static const char *const targets[] = {"secret", "match", "line", NULL};

static const struct tl_yaml_member allow_members[] = {
	{"description", TL_YAML_TEXT, false, offsetof(struct allow_row, description), 0, 1000},
	{"condition", TL_YAML_CHOICE, false, offsetof(struct allow_row, all), 0, 0, conditions},
	{"regexTarget", TL_YAML_CHOICE, false, offsetof(struct allow_row, target), 0, 0, targets},
	{"regexes", TL_YAML_TEXTS, false, offsetof(struct allow_row, regexes), 0, ALLOW_ITEMS_MAX},
	{"paths", TL_YAML_TEXTS, false, offsetof(struct allow_row, paths), 0, ALLOW_ITEMS_MAX},
	{"stopwords", TL_YAML_TEXTS, false, offsetof(struct allow_row, stopwords), 0,
	 ALLOW_ITEMS_MAX},
};

static int no_memory(const struct loader *loader)
{
	return tl_err_set(loader->err, TL_ENOMEM, "no memory to read %s",
			  tl_yaml_name(loader->yaml));
}

static int copy(const struct loader *loader, const char *text, char **ret_copy)
{
	if (text && !(*ret_copy = strdup(text)))
		return no_memory(loader);
	return 0;
}

/* ---- definitions ---------------------------------------------------------------------------- */

static const struct definition *find_definition(const struct loader *loader, const char *name,
						size_t len)
{
	for (size_t i = 0; i < loader->definition_count; i++) {
		const struct definition *definition = &loader->definitions[i];

		if (strlen(definition->name) == len && memcmp(definition->name, name, len) == 0)
			return definition;
	}
	return NULL;
}

/* Fills in {{name}}: one level is enough, as each definition is filled in when it is read. */
static int expand(const struct loader *loader, const struct tl_yaml_node *at, const char *text,
		  char **ret_text)
{
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(RULE_REGEX_MAX);
	const char *open;

	while ((open = strstr(text, "{{"))) {
		const char *close = strstr(open, "}}");
		size_t len = close ? (size_t)(close - open) - 2 : 0;
		const struct definition *definition = find_definition(loader, open + 2, len);

		if (!close || !definition)
			return tl_yaml_fail(loader->yaml, at, loader->err,
					    "{{%.*s}} is not defined above", (int)len, open + 2);
		tl_buf_append(&out, text, (size_t)(open - text));
		tl_buf_puts(&out, definition->text);
		text = close + 2;
	}
	tl_buf_puts(&out, text);
	if (tl_buf_check(&out) < 0)
		return tl_yaml_fail(loader->yaml, at, loader->err,
				    "the expression is longer than %d bytes", RULE_REGEX_MAX);
	*ret_text = tl_buf_take(&out);
	return *ret_text ? 0 : no_memory(loader);
}

static int read_definitions(struct loader *loader, const struct tl_yaml_node *define)
{
	if (!define)
		return 0;
	if (define->kind != TL_YAML_MAP)
		return tl_yaml_fail(loader->yaml, define, loader->err,
				    "define must hold names with their expressions");
	loader->definitions = calloc(define->count + 1, sizeof(*loader->definitions));
	if (!loader->definitions)
		return no_memory(loader);
	for (const struct tl_yaml_node *node = define->first; node; node = node->next) {
		struct definition *definition = &loader->definitions[loader->definition_count];
		int r = 0;

		if (node->kind != TL_YAML_SCALAR)
			return tl_yaml_fail(loader->yaml, node, loader->err,
					    "%.64s must be one expression", node->key);
		r = expand(loader, node, node->text, &definition->text);
		if (r < 0)
			return r;
		definition->name = node->key;
		loader->definition_count++;
	}
	return 0;
}

/* ---- allowlists ----------------------------------------------------------------------------- */

static int copy_texts(const struct loader *loader, const struct tl_yaml_node *list,
		      size_t min_bytes, struct tl_strv *out)
{
	for (const struct tl_yaml_node *item = list ? list->first : NULL; item; item = item->next) {
		if (strlen(item->text) < min_bytes)
			return tl_yaml_fail(loader->yaml, item, loader->err,
					    "\"%s\" is shorter than %zu bytes", item->text,
					    min_bytes);
		if (tl_strv_push(out, item->text) < 0)
			return no_memory(loader);
	}
	return 0;
}

static int compile(const struct loader *loader, const struct tl_yaml_node *node, const char *text,
		   pcre2_code **ret_code)
{
	struct tl_err why = TL_ERR_INIT;

	if (expression_compile(text, ret_code, &why) == 0)
		return 0;
	return tl_yaml_fail(loader->yaml, node, loader->err, "%s", tl_err_text(&why));
}

static int compile_list(const struct loader *loader, const struct tl_yaml_node *list,
			struct expressions *out)
{
	size_t count = 0;
	tl_free const char **texts = list ? calloc(list->count + 1, sizeof *texts) : NULL;

	if (!list || list->count == 0)
		return 0;
	if (!texts)
		return no_memory(loader);
	for (const struct tl_yaml_node *item = list->first; item; item = item->next) {
		pcre2_code *code = NULL;
		int r = compile(loader, item, item->text, &code);

		pcre2_code_free(code);
		if (r < 0)
			return r;
		texts[count++] = item->text;
	}
	return expressions_join(out, texts, count) < 0 ? no_memory(loader) : 0;
}

static int read_allowlist(const struct loader *loader, const struct tl_yaml_node *node,
			  struct allowlists *lists)
{
	struct allow_row row = {.description = NULL};
	struct allowlist *items, *list;
	int r = tl_yaml_read(loader->yaml, node, allow_members, TL_ARRAY_LEN(allow_members), &row,
			     loader->err);

	if (r < 0)
		return r;
	items = reallocarray(lists->items, lists->count + 1, sizeof(*items));
	if (!items)
		return no_memory(loader);
	lists->items = items;
	list = &items[lists->count++];
	*list = (struct allowlist){.all = row.all, .target = row.target};
	r = compile_list(loader, row.regexes, &list->regexes);
	if (r == 0)
		r = compile_list(loader, row.paths, &list->paths);
	if (r == 0)
		r = copy_texts(loader, row.stopwords, 1, &list->stopwords);
	if (r == 0 && !list->regexes.count && !list->paths.count && !list->stopwords.count)
		r = tl_yaml_fail(loader->yaml, node, loader->err,
				 "an allowlist needs regexes, stopwords or paths");
	return r;
}

static int read_allowlists(const struct loader *loader, const struct tl_yaml_node *node,
			   struct allowlists *lists)
{
	if (node->kind != TL_YAML_LIST || node->count > ALLOWLISTS_MAX)
		return tl_yaml_fail(loader->yaml, node, loader->err,
				    "allowlists must be a list of at most %d", ALLOWLISTS_MAX);
	for (const struct tl_yaml_node *item = node->first; item; item = item->next) {
		int r = read_allowlist(loader, item, lists);

		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- rules ---------------------------------------------------------------------------------- */

static struct rule *find_rule(const struct rule_set *set, const char *id)
{
	for (size_t i = 0; i < set->count; i++)
		if (tl_streq(set->rules[i].id, id))
			return &set->rules[i];
	return NULL;
}

static int check_id(const struct loader *loader, const struct tl_yaml_node *node, const char *id)
{
	const struct rule *other = find_rule(loader->set, id);

	if (!*id || id[strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-")])
		return tl_yaml_fail(loader->yaml, node, loader->err,
				    "id \"%s\" may have small letters, digits and dashes only", id);
	if (other)
		return tl_yaml_fail(loader->yaml, node, loader->err,
				    "rule %s is there already: %s:%zu", id, other->file,
				    other->line);
	return 0;
}

static const struct tl_yaml_node *member(const struct tl_yaml_node *map, const char *name)
{
	const struct tl_yaml_node *node = map->first;

	while (node && !tl_streq(node->key, name))
		node = node->next;
	return node ? node : map;
}

static int set_regex(const struct loader *loader, const struct tl_yaml_node *node,
		     const struct rule_row *row, struct rule *rule)
{
	const struct tl_yaml_node *at = member(node, "regex");
	uint32_t groups = 0;
	int r;

	if (row->within >= 0 && !row->keywords)
		return tl_yaml_fail(loader->yaml, member(node, "keywordWithin"), loader->err,
				    "keywordWithin needs keywords");
	if (!row->regex && !row->path)
		return tl_yaml_fail(loader->yaml, node, loader->err,
				    "rule %s needs a regex or a path", row->id);
	if (!row->regex)
		return 0;
	r = expand(loader, at, row->regex, &rule->regex);
	if (r == 0)
		r = compile(loader, at, rule->regex, &rule->code);
	if (r < 0)
		return r;
	rule->needs = needs_of(rule->regex);
	pcre2_pattern_info(rule->code, PCRE2_INFO_CAPTURECOUNT, &groups);
	if (row->group > groups)
		return tl_yaml_fail(loader->yaml, member(node, "secretGroup"), loader->err,
				    "the regex of %s has %u groups only", row->id, groups);
	return 0;
}

/* Of a rule for secrets on the lines below. */
static int set_next(const struct loader *loader, const struct tl_yaml_node *node,
		    const struct rule_row *row, struct rule *rule)
{
	const struct tl_yaml_node *at = member(node, "nextRegex");
	tl_free char *text = NULL;
	int r;

	if ((row->follow == FOLLOW_VALUE) != (row->next_regex != NULL))
		return tl_yaml_fail(loader->yaml, at, loader->err,
				    "nextRegex and \"follow: value\" need each other");
	if (row->follow != FOLLOW_NONE && (!row->regex || row->block_end))
		return tl_yaml_fail(loader->yaml, member(node, "follow"), loader->err,
				    "follow needs a regex, and no blockEnd");
	if (!row->next_regex)
		return 0;
	r = expand(loader, at, row->next_regex, &text);
	return r < 0 ? r : compile(loader, at, text, &rule->next);
}

static int fill_rule(const struct loader *loader, const struct tl_yaml_node *node,
		     const struct rule_row *row, struct rule *rule)
{
	int r = set_regex(loader, node, row, rule);

	if (r == 0)
		r = set_next(loader, node, row, rule);
	if (r == 0)
		r = copy(loader, row->id, &rule->id);
	if (r == 0)
		r = copy(loader, row->description, &rule->description);
	if (r == 0)
		r = copy(loader, row->block_end, &rule->block_end);
	if (r == 0)
		r = copy(loader, tl_yaml_name(loader->yaml), &rule->file);
	if (r == 0 && row->path)
		r = compile(loader, member(node, "path"), row->path, &rule->path);
	if (r == 0)
		r = copy_texts(loader, row->keywords, KEYWORD_MIN, &rule->keywords);
	if (r == 0)
		r = copy_texts(loader, row->tags, 1, &rule->tags);
	if (r == 0 && row->allowlists)
		r = read_allowlists(loader, row->allowlists, &rule->allow);
	return r;
}

static int read_rule(const struct loader *loader, const struct tl_yaml_node *node)
{
	struct rule_set *set = loader->set;
	struct rule_row row = {.next_lines = 1, .within = -1};
	struct rule *rules;
	int r = tl_yaml_read(loader->yaml, node, rule_members, TL_ARRAY_LEN(rule_members), &row,
			     loader->err);

	if (r == 0)
		r = check_id(loader, node, row.id);
	if (r < 0)
		return r;
	if (set->count == RULES_MAX)
		return tl_yaml_fail(loader->yaml, node, loader->err, "there are more than %d rules",
				    RULES_MAX);
	rules = reallocarray(set->rules, set->count + 1, sizeof(*rules));
	if (!rules)
		return no_memory(loader);
	set->rules = rules;
	rules[set->count] = (struct rule){.entropy = row.entropy,
					  .group = row.group,
					  .follow = row.follow,
					  .next_lines = row.next_lines,
					  .within = row.within,
					  .line = node->line};
	return fill_rule(loader, node, &row, &rules[set->count++]);
}

static int disable(const struct loader *loader, const struct tl_yaml_node *list)
{
	struct rule_set *set = loader->set;

	for (const struct tl_yaml_node *item = list ? list->first : NULL; item; item = item->next) {
		struct rule *rule = find_rule(set, item->text);

		if (!rule)
			return tl_yaml_fail(loader->yaml, item, loader->err,
					    "there is no rule \"%.64s\" to disable", item->text);
		rule_clear(rule);
		memmove(rule, rule + 1,
			(size_t)(set->rules + set->count - rule - 1) * sizeof(*rule));
		set->count--;
	}
	return 0;
}

int load_rules(struct rule_set *set, const struct tl_yaml *yaml, struct tl_err *err)
{
	struct file_row row = {.rules = NULL};
	tl_auto(loader) struct loader loader = {.set = set, .yaml = yaml, .err = err};
	const struct tl_yaml_node *node;
	int r = tl_yaml_read(yaml, tl_yaml_root(yaml), file_members, TL_ARRAY_LEN(file_members),
			     &row, err);

	if (r == 0)
		r = read_definitions(&loader, row.define);
	if (r == 0)
		r = disable(&loader, row.disable);
	if (r == 0 && row.allowlist)
		r = read_allowlist(&loader, row.allowlist, &set->allow);
	if (r == 0 && row.rules && row.rules->kind != TL_YAML_LIST)
		r = tl_yaml_fail(yaml, row.rules, err, "rules must be a list");
	for (node = row.rules ? row.rules->first : NULL; r == 0 && node; node = node->next)
		r = read_rule(&loader, node);
	return r;
}

void rule_set_clear(struct rule_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		rule_clear(&set->rules[i]);
	free(set->rules);
	allowlists_clear(&set->allow);
	*set = (struct rule_set){.rules = NULL};
}
