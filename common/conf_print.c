/* The sample file and the man page's section of a configuration: towline/conf.h. */
#include "conf_value.h"
#include "page.h"
#include <string.h>

/* "Help. A duration …; 30s when not set." */
static void describe(const struct tl_conf_key *key, struct tl_buf *out)
{
	size_t start;

	tl_buf_printf(out, "%s ", key->help);
	start = out->len;
	conf_value_describe(key, out);
	if (out->len > start && out->data[start] >= 'a' && out->data[start] <= 'z')
		out->data[start] = (char)(out->data[start] - 32);
	if (!key->default_text)
		tl_buf_puts(out, "; must be set.");
	else if (*key->default_text)
		tl_buf_printf(out, "; %s when not set.", key->default_text);
	else
		tl_buf_puts(out, "; empty when not set.");
}

/* Names the groups of `name` that the key before it did not stand in; returns the depth. */
static int print_groups(FILE *out, const char *previous, const char *name)
{
	int depth = 0;

	for (const char *at = strchr(name, '.'); at; at = strchr(at + 1, '.')) {
		size_t len = (size_t)(at - name);
		const char *word = at;

		while (word > name && word[-1] != '.')
			word--;
		if (strncmp(previous, name, len + 1) != 0)
			fprintf(out, "#%*s%.*s:\n", depth * 2, "", (int)(at - word), word);
		depth++;
	}
	return depth;
}

static bool needs_quotes(const char *text)
{
	return *text == '\0' || strpbrk(text, ":#{}[]&*!|>'\"%@`, ") || *text == '-' ||
	       *text == '?';
}

static void print_sample_list(FILE *out, const char *text)
{
	fputc('[', out);
	while (*text) {
		size_t len = strcspn(text, ",");

		fprintf(out, "\"%.*s\"", (int)len, text);
		text += len;
		text += *text == ',';
		text += strspn(text, " ");
		if (*text)
			fputs(", ", out);
	}
	fputs("]\n", out);
}

static void print_sample_value(FILE *out, const struct tl_conf_key *key)
{
	const char *text = key->default_text;

	fputs(text ? " " : "\n", out);
	if (!text)
		return;
	if (key->type == TL_CONF_LIST)
		print_sample_list(out, text);
	else
		fprintf(out, needs_quotes(text) ? "\"%s\"\n" : "%s\n", text);
}

void tl_conf_print_sample(const struct tl_conf_schema *schema, FILE *out)
{
	const char *previous = "";

	fprintf(out, "# %s\n#\n# ", schema->name);
	page_wrap(out, "# ", 2, schema->intro);
	fputs("#\n# ", out);
	page_wrap(out, "# ", 2,
		  "Every key is shown with its default. To set one, remove the '#' that its line "
		  "starts with, and its group's.");
	for (size_t i = 0; i < schema->key_count; i++) {
		const struct tl_conf_key *key = &schema->keys[i];
		const char *dot = strrchr(key->name, '.');
		tl_auto(tl_buf) struct tl_buf help = TL_BUF_INIT(4096);
		char margin[32];
		int depth;

		fputc('\n', out);
		depth = print_groups(out, previous, key->name);
		snprintf(margin, sizeof margin, depth ? "#%*s# " : "%*s# ", depth * 2 % 16, "");
		describe(key, &help);
		fputs(margin, out);
		page_wrap(out, margin, strlen(margin), tl_buf_str(&help));
		fprintf(out, "#%*s%s:", depth * 2, "", dot ? dot + 1 : key->name);
		print_sample_value(out, key);
		previous = key->name;
	}
}

void tl_conf_print_mdoc(const struct tl_conf_schema *schema, FILE *out)
{
	fputs(".Bl -tag -width Ds\n", out);
	for (size_t i = 0; i < schema->key_count; i++) {
		tl_auto(tl_buf) struct tl_buf help = TL_BUF_INIT(4096);

		fprintf(out, ".It Ic %s\n", schema->keys[i].name);
		describe(&schema->keys[i], &help);
		page_mdoc(out, tl_buf_str(&help));
	}
	fputs(".El\n", out);
}
