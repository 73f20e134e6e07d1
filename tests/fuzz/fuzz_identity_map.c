/* Any file as the map of pseudonyms, and any text to reveal by it. The first line that is empty parts them. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <towline/fs.h>

#include "redact/identity_map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *state_dir(void)
{
	static char dir[] = "/tmp/towline-fuzz-XXXXXX";
	static bool made;

	if (!made && !mkdtemp(dir))
		abort();
	made = true;
	return dir;
}

static void remove_dir(void)
{
	char path[64];

	snprintf(path, sizeof path, "%s/%s", state_dir(), TL_PSEUDONYM_MAP_FILE);
	unlink(path);
	rmdir(state_dir());
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool registered;
	tl_auto(tl_identity_map) struct tl_identity_map *map = NULL;
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(64 * 1024 * 1024);
	const char *text = (const char *)data;
	const char *gap = memmem(text, size, "\n\n", 2);
	size_t map_len = gap ? (size_t)(gap - text) + 1 : size;
	char path[64];

	if (!registered && atexit(remove_dir) != 0)
		abort();
	registered = true;
	snprintf(path, sizeof path, "%s/%s", state_dir(), TL_PSEUDONYM_MAP_FILE);
	if (tl_fs_write_file(AT_FDCWD, path, 0600, text, map_len, NULL) < 0)
		abort();
	if (tl_identity_map_load(state_dir(), &map, NULL) < 0)
		return 0;
	if (gap)
		tl_identity_map_reveal(map, gap + 2, size - map_len - 1, &out);
	return 0;
}
