#include <stdio.h>
#include <string.h>
#include <towline/record.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int read_words(void *arg, const struct tl_record_words *words)
{
	size_t *total = arg;

	*total += strlen(words->kind) + strlen(words->text);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tl_record_facts facts;
	struct tl_err err = TL_ERR_INIT;
	FILE *out = fopen("/dev/null", "w");
	FILE *in = size > 0 ? fmemopen((void *)(uintptr_t)data, size, "r") : NULL;
	size_t total = 0;

	if (in && out && tl_record_verify(in, NULL, &facts, &err) == 0) {
		rewind(in);
		if (tl_record_export(in, 0, out, &err) != 0 && err.code == 0)
			__builtin_trap(); /* a failure without a sentence */
		err.code = 0;
		rewind(in);
		if (tl_record_read_text(in, 0, read_words, &total, &err) != 0 && err.code == 0)
			__builtin_trap();
	}
	if (in)
		fclose(in);
	if (out)
		fclose(out);
	return 0;
}
