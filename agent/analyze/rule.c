#include "analyze/rule.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <towline/embedded.h>
#include <towline/fs.h>
#include <towline/str.h>
#include <unistd.h>

#define PATTERN_MAX 2000
#define CONDITIONS_OF_RULE_MAX 32

extern const struct tl_embedded analyze_rules[];
extern const size_t analyze_rules_count;

const char *const analysis_severities[] = {"critical", "error", "warning", "info", NULL};

/* A rule as it stands in its file. */
struct rule_fields {
	const char *id, *summary, *remedy, *match;
	int severity;
	const struct tl_yaml_node *when;
};

struct condition_fields {
	const struct tl_yaml_node *lines, *fact;
};

#define S(...) ((const char *const[]){__VA_ARGS__, NULL})

static const struct file_set file_sets[] = {
	{"@kernel", S("journal/*", "root/var/log/kern*", "root/var/log/messages*",
		      "root/var/log/syslog*", "root/var/log/dmesg*", "logs/kernel.log")},
	{"@auth", S("journal/*", "root/var/log/auth*", "root/var/log/secure*",
		    "root/var/log/messages*", "root/var/log/syslog*")},
	{"@system",
	 S("journal/*", "root/var/log/messages*", "root/var/log/syslog*", "root/var/log/daemon*")},
	{"@mail", S("journal/*", "root/var/log/mail*", "root/var/log/maillog*",
		    "root/var/log/messages*", "root/var/log/syslog*")},
	{"@logs", S("journal/*", "root/var/log/*", "root/opt/*.log*", "root/srv/*.log*")},
};

const struct file_set *file_set_find(const char *name)
{
	for (size_t i = 0; i < TL_ARRAY_LEN(file_sets); i++)
		if (tl_streq(file_sets[i].name, name))
			return &file_sets[i];
	return NULL;
}

static int push(void **items, size_t *count, size_t size, size_t max)
{
	void *grown;

	if (*count == max)
		return TL_ETOOBIG;
	grown = *count & (*count - 1) ? *items
				      : reallocarray(*items, *count ? *count * 2 : 1, size);
	if (!grown)
		return TL_ENOMEM;
	*items = grown;
	memset((char *)grown + *count * size, 0, size);
	++*count;
	return 0;
}

/* ---- conditions -------------------------------------------------------------------------------- */

static int compile(const struct tl_yaml *yaml, const struct tl_yaml_node *node,
		   struct condition *condition, struct tl_err *err)
{
	PCRE2_UCHAR text[128];
	PCRE2_SIZE offset;
	int code;

	condition->code = pcre2_compile((PCRE2_SPTR)condition->pattern, PCRE2_ZERO_TERMINATED,
					PCRE2_NEVER_UTF, &code, &offset, NULL);
	if (!condition->code) {
		pcre2_get_error_message(code, text, sizeof text);
		return tl_yaml_fail(yaml, node, err, "pattern: %s at position %zu", (char *)text,
				    offset);
	}
	pcre2_jit_compile(condition->code, PCRE2_JIT_COMPLETE); /* without it: interpreted */
	if (!condition->same)
		return 0;
	condition->same_number =
		pcre2_substring_number_from_name(condition->code, (PCRE2_SPTR)condition->same);
	return condition->same_number > 0
		       ? 0
		       : tl_yaml_fail(yaml, node, err, "same: the pattern has no group \"%s\"",
				      condition->same);
}

static int read_lines(const struct tl_yaml *yaml, const struct tl_yaml_node *node,
		      struct condition *condition, struct tl_err *err)
{
	static const struct tl_yaml_member members[] = {
		{"pattern", TL_YAML_TEXT, true, offsetof(struct condition, pattern), 0,
		 PATTERN_MAX},
		{"files", TL_YAML_TEXTS, true, offsetof(struct condition, files), 0, 64},
		{"at_least", TL_YAML_INT, false, offsetof(struct condition, at_least), 1, 1000000},
		{"same", TL_YAML_TEXT, false, offsetof(struct condition, same), 0, 64},
	};
	int r;

	condition->kind = CONDITION_LINES;
	condition->at_least = 1;
	r = tl_yaml_read(yaml, node, members, TL_ARRAY_LEN(members), condition, err);
	for (const struct tl_yaml_node *item = r < 0 ? NULL : condition->files->first; item;
	     item = item->next)
		if (item->text[0] == '@' && !file_set_find(item->text))
			return tl_yaml_fail(yaml, item, err, "%s is no set of files", item->text);
	return r < 0 ? r : compile(yaml, node, condition, err);
}

static int read_fact(const struct tl_yaml *yaml, const struct tl_yaml_node *node,
		     struct condition *condition, struct tl_err *err)
{
	static const struct tl_yaml_member members[] = {
		{"name", TL_YAML_TEXT, true, offsetof(struct condition, name), 0, 64},
		{"subject", TL_YAML_TEXT, false, offsetof(struct condition, subject), 0, 256},
		{"verdict", TL_YAML_TEXTS, false, offsetof(struct condition, verdicts), 0, 4},
		{"above", TL_YAML_NUMBER, false, offsetof(struct condition, above)},
		{"below", TL_YAML_NUMBER, false, offsetof(struct condition, below)},
		{"is", TL_YAML_TEXT, false, offsetof(struct condition, is), 0, 256},
	};
	int r;

	condition->kind = CONDITION_FACT;
	r = tl_yaml_read(yaml, node, members, TL_ARRAY_LEN(members), condition, err);
	for (const struct tl_yaml_node *child = node->first; r == 0 && child; child = child->next) {
		condition->has_above |= tl_streq(child->key, "above");
		condition->has_below |= tl_streq(child->key, "below");
	}
	if (r == 0 && !condition->verdicts && !condition->has_above && !condition->has_below &&
	    !condition->is)
		return tl_yaml_fail(yaml, node, err,
				    "a fact needs one of verdict, above, below and is");
	return r;
}

static int read_condition(struct tl_analysis_rules *rules, const struct tl_yaml *yaml,
			  const struct tl_yaml_node *node, struct tl_err *err)
{
	static const struct tl_yaml_member members[] = {
		{"lines", TL_YAML_NODE, false, offsetof(struct condition_fields, lines)},
		{"fact", TL_YAML_NODE, false, offsetof(struct condition_fields, fact)},
	};
	struct condition_fields fields = {.lines = NULL};
	struct condition *condition;
	int r = tl_yaml_read(yaml, node, members, TL_ARRAY_LEN(members), &fields, err);

	if (r < 0)
		return r;
	if (!fields.lines == !fields.fact)
		return tl_yaml_fail(yaml, node, err, "a condition is either lines or fact");
	r = push((void **)&rules->conditions, &rules->condition_count, sizeof *rules->conditions,
		 TL_ANALYSIS_CONDITIONS_MAX);
	if (r < 0)
		return tl_yaml_fail(yaml, node, err, "too many conditions");
	condition = &rules->conditions[rules->condition_count - 1];
	condition->rule = (unsigned)rules->count - 1;
	return fields.lines ? read_lines(yaml, fields.lines, condition, err)
			    : read_fact(yaml, fields.fact, condition, err);
}

/* ---- rules ------------------------------------------------------------------------------------- */

static int check_id(const struct tl_analysis_rules *rules, const struct tl_yaml *yaml,
		    const struct tl_yaml_node *node, const char *id, struct tl_err *err)
{
	if (!tl_str_is_name(id, 64))
		return tl_yaml_fail(yaml, node, err, "\"%s\" is no name for a rule", id);
	for (size_t i = 0; i < rules->count; i++)
		if (tl_streq(rules->rules[i].id, id))
			return tl_yaml_fail(yaml, node, err, "rule %s is there already", id);
	return 0;
}

static int read_rule(struct tl_analysis_rules *rules, const struct tl_yaml *yaml,
		     const struct tl_yaml_node *node, struct tl_err *err)
{
	static const char *const matches[] = {"any", "all", NULL};
	static const struct tl_yaml_member members[] = {
		{"id", TL_YAML_TEXT, true, offsetof(struct rule_fields, id), 0, 64},
		{"severity", TL_YAML_CHOICE, true, offsetof(struct rule_fields, severity), 0, 0,
		 analysis_severities},
		{"summary", TL_YAML_TEXT, true, offsetof(struct rule_fields, summary), 0, 300},
		{"remedy", TL_YAML_TEXT, true, offsetof(struct rule_fields, remedy), 0, 1000},
		{"match", TL_YAML_TEXT, false, offsetof(struct rule_fields, match), 0, 3},
		{"when", TL_YAML_NODE, true, offsetof(struct rule_fields, when)},
	};
	struct rule_fields fields = {.match = matches[0]};
	struct analysis_rule *rule;
	int r = tl_yaml_read(yaml, node, members, TL_ARRAY_LEN(members), &fields, err);

	if (r == 0)
		r = check_id(rules, yaml, node, fields.id, err);
	if (r < 0)
		return r;
	if (!tl_streq(fields.match, matches[0]) && !tl_streq(fields.match, matches[1]))
		return tl_yaml_fail(yaml, node, err, "match must be any or all");
	if (fields.when->kind != TL_YAML_LIST || fields.when->count == 0 ||
	    fields.when->count > CONDITIONS_OF_RULE_MAX)
		return tl_yaml_fail(yaml, fields.when, err, "when must be a list of conditions");
	if (push((void **)&rules->rules, &rules->count, sizeof *rules->rules,
		 TL_ANALYSIS_RULES_MAX) < 0)
		return tl_yaml_fail(yaml, node, err, "too many rules");
	rule = &rules->rules[rules->count - 1];
	*rule = (struct analysis_rule){
		.id = fields.id,
		.summary = fields.summary,
		.remedy = fields.remedy,
		.severity = fields.severity,
		.all = tl_streq(fields.match, matches[1]),
		.first = rules->condition_count,
		.count = fields.when->count,
	};
	for (const struct tl_yaml_node *child = fields.when->first; r == 0 && child;
	     child = child->next)
		r = read_condition(rules, yaml, child, err);
	return r;
}

/* Takes the document over, also on failure. */
static int add_document(struct tl_analysis_rules *rules, struct tl_yaml *yaml, struct tl_err *err)
{
	const struct tl_yaml_node *list = NULL;
	static const struct tl_yaml_member members[] = {{"rules", TL_YAML_NODE, true, 0}};
	int r;

	if (rules->document_count == TL_ARRAY_LEN(rules->documents)) {
		tl_yaml_free(yaml);
		return tl_err_set(err, TL_ETOOBIG, "too many files of analyzers");
	}
	rules->documents[rules->document_count++] = yaml;
	r = tl_yaml_read(yaml, tl_yaml_root(yaml), members, TL_ARRAY_LEN(members), &list, err);
	if (r == 0 && list->kind != TL_YAML_LIST)
		r = tl_yaml_fail(yaml, list, err, "rules must be a list");
	for (const struct tl_yaml_node *node = r < 0 ? NULL : list->first; r == 0 && node;
	     node = node->next)
		r = read_rule(rules, yaml, node, err);
	return r;
}

/* ---- opening ----------------------------------------------------------------------------------- */

static int compile_all(struct tl_analysis_rules *rules, const char *cache_dir, struct tl_err *err)
{
	tl_free struct tl_match_pattern *patterns =
		calloc(rules->condition_count + 1, sizeof *patterns);
	size_t count = 0;
	int r;

	if (!patterns)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the analyzers");
	for (size_t i = 0; i < rules->condition_count; i++)
		if (rules->conditions[i].kind == CONDITION_LINES)
			patterns[count++] = (struct tl_match_pattern){
				.expression = rules->conditions[i].pattern,
				.id = (unsigned)i,
				.flags = TL_MATCH_PREFILTER | TL_MATCH_MULTILINE,
			};
	if (count == 0)
		return 0;
	r = tl_match_open(patterns, count, cache_dir, &rules->match, err);
	return r == TL_EUNSUPPORTED ? 0 : r;
}

static int add_text(struct tl_analysis_rules *rules, const char *name, const char *text, size_t len,
		    struct tl_err *err)
{
	struct tl_yaml *yaml = NULL;
	int r = tl_yaml_parse(name, text, len, &yaml, err);

	return r < 0 ? r : add_document(rules, yaml, err);
}

/* Whoever can write these decides what engineers read: root's, or the person's own. */
static int check_owner(int dir_fd, const char *path, struct tl_err *err)
{
	struct stat status;

	if (fstatat(dir_fd, path, &status, 0) < 0)
		return tl_err_set(err, TL_EIO, "%s cannot be read", path);
	if ((status.st_uid != 0 && status.st_uid != geteuid()) || (status.st_mode & 022))
		return tl_err_set(err, TL_ECONFIG,
				  "%s must belong to root or to you, and be writable by nobody "
				  "else",
				  path);
	return 0;
}

static int is_yaml(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && tl_str_ends(entry->d_name, ".yaml");
}

static int add_site(struct tl_analysis_rules *rules, const char *dir, struct tl_err *err)
{
	struct dirent **entries = NULL;
	int count = dir ? scandir(dir, &entries, is_yaml, alphasort) : 0;
	int r = count > 0 ? check_owner(AT_FDCWD, dir, err) : 0;

	for (int i = 0; i < count; i++) {
		char path[PATH_MAX];
		struct tl_yaml *yaml = NULL;

		snprintf(path, sizeof path, "%s/%s", dir, entries[i]->d_name);
		if (r == 0)
			r = check_owner(AT_FDCWD, path, err);
		if (r == 0)
			r = tl_yaml_load(path, &yaml, err);
		if (r == 0)
			r = add_document(rules, yaml, err);
		free(entries[i]);
	}
	free(entries);
	return r;
}

int tl_analysis_rules_open(const struct tl_analysis_sources *sources,
			   struct tl_analysis_rules **ret_rules, struct tl_err *err)
{
	tl_auto(tl_analysis_rules) struct tl_analysis_rules *rules = calloc(1, sizeof *rules);
	int r = rules ? 0 : tl_err_set(err, TL_ENOMEM, "out of memory for the analyzers");

	for (size_t i = 0; r == 0 && i < analyze_rules_count; i++)
		r = add_text(rules, analyze_rules[i].name, analyze_rules[i].start,
			     (size_t)(analyze_rules[i].end - analyze_rules[i].start), err);
	if (r == 0)
		r = add_site(rules, sources->site_dir, err);
	if (r == 0)
		r = compile_all(rules, sources->cache_dir, err);
	if (r < 0)
		return r;
	*ret_rules = tl_steal(&rules);
	return 0;
}

int tl_analysis_rules_parse(const char *name, const char *text, size_t len,
			    struct tl_analysis_rules **ret_rules, struct tl_err *err)
{
	tl_auto(tl_analysis_rules) struct tl_analysis_rules *rules = calloc(1, sizeof *rules);
	int r = rules ? add_text(rules, name, text, len, err)
		      : tl_err_set(err, TL_ENOMEM, "out of memory for the analyzers");

	if (r == 0)
		r = compile_all(rules, NULL, err);
	if (r < 0)
		return r;
	*ret_rules = tl_steal(&rules);
	return 0;
}

const char *tl_analysis_rules_find_wrong_fact(const struct tl_analysis_rules *rules,
					      bool (*is_fact)(const char *glob),
					      const char **ret_name)
{
	for (size_t i = 0; i < rules->condition_count; i++) {
		const struct condition *condition = &rules->conditions[i];

		if (condition->kind != CONDITION_FACT || is_fact(condition->name))
			continue;
		*ret_name = condition->name;
		return rules->rules[condition->rule].id;
	}
	return NULL;
}

size_t tl_analysis_rules_count(const struct tl_analysis_rules *rules)
{
	return rules->count;
}

const char *tl_analysis_rules_id(const struct tl_analysis_rules *rules, size_t index)
{
	return rules->rules[index].id;
}

const char *tl_analysis_rules_severity(const struct tl_analysis_rules *rules, size_t index)
{
	return analysis_severities[rules->rules[index].severity];
}

const char *tl_analysis_rules_summary(const struct tl_analysis_rules *rules, size_t index)
{
	return rules->rules[index].summary;
}

void tl_analysis_rules_free(struct tl_analysis_rules *rules)
{
	if (!rules)
		return;
	for (size_t i = 0; i < rules->condition_count; i++)
		pcre2_code_free(rules->conditions[i].code);
	for (size_t i = 0; i < rules->document_count; i++)
		tl_yaml_free(rules->documents[i]);
	tl_match_free(rules->match);
	free(rules->conditions);
	free(rules->rules);
	free(rules);
}
