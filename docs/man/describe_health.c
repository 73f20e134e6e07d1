/* Writes health.yaml.5 from its template, whose line "@FACTS@" becomes the list of facts. */
#include <stdio.h>
#include <string.h>

#include "health/health.h"

static void print_facts(FILE *out)
{
	fputs(".Bl -tag -width Ds\n", out);
	for (size_t i = 0; i < tl_health_kind_count; i++) {
		const struct tl_health_kind *kind = &tl_health_kinds[i];

		fprintf(out, ".It Li %s\n%s", kind->name, kind->label);
		if (kind->type == TL_HEALTH_TRUTH)
			fputs(" (true or false)\n", out);
		else if (kind->type == TL_HEALTH_WORD)
			fputs(" (a word)\n", out);
		else if (strcmp(kind->unit, "1") == 0)
			fputs("\n", out);
		else
			fprintf(out, " (%s)\n", kind->unit);
	}
	fputs(".El\n", out);
}

static bool write_page(FILE *in, FILE *out)
{
	tl_free char *line = NULL;
	size_t capacity = 0;

	while (getline(&line, &capacity, in) > 0) {
		if (strcmp(line, "@FACTS@\n") == 0)
			print_facts(out);
		else
			fputs(line, out);
	}
	return !ferror(in) && !ferror(out);
}

int main(int argc, char **argv)
{
	FILE *in = argc == 3 ? fopen(argv[1], "re") : NULL;
	FILE *out = argc == 3 ? fopen(argv[2], "we") : NULL;
	bool ok;

	if (!in || !out) {
		fprintf(stderr, "usage: %s TEMPLATE PAGE\n", argv[0]);
		return 64;
	}
	ok = write_page(in, out);
	ok = fclose(out) == 0 && ok;
	return fclose(in) == 0 && ok ? 0 : 74;
}
