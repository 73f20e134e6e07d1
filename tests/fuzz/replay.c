/* Runs a fuzz target over files instead of libFuzzer: the empty input first, then every file given
 * and every regular file of the directories given, in the order of their names. A crash or a
 * sanitizer report fails the test; so does a corpus without a file, because it would prove nothing.
 */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <towline/attr.h>

#define INPUT_MAX (16 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input in a block of exactly its size, so that AddressSanitizer sees the first byte read
 * beyond. */
static int replay_bytes(const char *bytes, size_t len)
{
	tl_free uint8_t *exact = malloc(len ? len : 1);

	if (!exact)
		return -1;
	memcpy(exact, bytes, len);
	return LLVMFuzzerTestOneInput(exact, len);
}

static bool replay_file(const char *path, size_t size)
{
	tl_free char *bytes = malloc(size + 1);
	FILE *in = fopen(path, "rbe");
	size_t len = 0;

	if (in) {
		len = bytes ? fread(bytes, 1, size + 1, in) : 0;
		fclose(in);
	}
	if (!bytes || !in || len != size) {
		fprintf(stderr, "replay: %s cannot be read\n", path);
		return false;
	}
	replay_bytes(bytes, len);
	return true;
}

static bool replay_path(const char *path, unsigned *count);

static bool replay_directory(const char *path, unsigned *count)
{
	struct dirent **entries = NULL;
	int entry_count = scandir(path, &entries, NULL, alphasort);
	bool ok = entry_count >= 0;

	for (int i = 0; i < entry_count; i++) {
		char child[4096];

		snprintf(child, sizeof child, "%s/%s", path, entries[i]->d_name);
		if (entries[i]->d_name[0] != '.')
			ok = replay_path(child, count) && ok;
		free(entries[i]);
	}
	free(entries);
	return ok;
}

static bool replay_path(const char *path, unsigned *count)
{
	struct stat facts;

	if (stat(path, &facts) < 0) {
		fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
		return false;
	}
	if (S_ISDIR(facts.st_mode))
		return replay_directory(path, count);
	if (facts.st_size > INPUT_MAX) {
		fprintf(stderr, "replay: %s is larger than %d bytes\n", path, INPUT_MAX);
		return false;
	}
	++*count;
	return replay_file(path, (size_t)facts.st_size);
}

int main(int argc, char **argv)
{
	bool ok = true;

	if (argc < 2) {
		fprintf(stderr, "usage: %s FILE-OR-DIRECTORY...\n", argv[0]);
		return 64;
	}
	replay_bytes("", 0);
	for (int i = 1; i < argc; i++) {
		unsigned count = 0;

		ok = replay_path(argv[i], &count) && ok;
		printf("%s: %u inputs\n", argv[i], count);
		if (count == 0) {
			fprintf(stderr, "replay: %s holds no input: add one\n", argv[i]);
			ok = false;
		}
	}
	return ok ? 0 : 1;
}
