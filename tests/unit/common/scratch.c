#include "scratch.h"

#include "tests.h"
#include <ftw.h>

int scratch_set_up(void **state)
{
	const char *tmp = getenv("TMPDIR");
	char *dir;

	if (asprintf(&dir, "%s/towline-XXXXXX", tmp ? tmp : "/tmp") < 0)
		return -1;
	*state = mkdtemp(dir);
	return *state ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st TL_UNUSED, int type TL_UNUSED,
		      struct FTW *ftw TL_UNUSED)
{
	return remove(path);
}

int scratch_tear_down(void **state)
{
	int outcome = nftw(*state, remove_one, 8, FTW_DEPTH | FTW_PHYS);

	free(*state);
	return outcome;
}
