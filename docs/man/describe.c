/* Writes what is made from a configuration's table: its sample file, and its man page from a template
 * whose line "@KEYS@" becomes the list of keys. Built once for each schema (-DSCHEMA=…). */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <towline/conf.h>

extern const struct tl_conf_schema SCHEMA;

static bool write_page(const char *template_path, FILE *out)
{
	FILE *in = fopen(template_path, "re");
	tl_free char *line = NULL;
	size_t capacity = 0;

	if (!in)
		return false;
	while (getline(&line, &capacity, in) > 0) {
		if (strcmp(line, "@KEYS@\n") == 0)
			tl_conf_print_mdoc(&SCHEMA, out);
		else
			fputs(line, out);
	}
	return fclose(in) == 0;
}

int main(int argc, char **argv)
{
	FILE *page = argc == 4 ? fopen(argv[2], "we") : NULL;
	FILE *sample = argc == 4 ? fopen(argv[3], "we") : NULL;
	bool ok;

	if (!page || !sample) {
		fprintf(stderr, "usage: %s TEMPLATE PAGE SAMPLE\n", argv[0]);
		return 64;
	}
	ok = write_page(argv[1], page);
	tl_conf_print_sample(&SCHEMA, sample);
	ok = fclose(page) == 0 && ok;
	ok = fclose(sample) == 0 && ok;
	return ok ? 0 : 74;
}
