/* How probes read the host. */
#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "health/run.h"

bool health_path(const struct health_run *run, const char *path, char full[static 4096])
{
	int len = snprintf(full, 4096, "%s%s", run->root, path);

	return len > 0 && len < 4096;
}

size_t health_read(const struct health_run *run, const char *path, char *text, size_t room)
{
	char full[4096];
	size_t len = 0;
	ssize_t n = 1;
	struct stat file;
	tl_fd int fd = -1;

	text[0] = '\0';
	if (health_path(run, path, full))
		fd = open(full, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &file) != 0 || !S_ISREG(file.st_mode))
		return 0;
	while (n > 0 && len + 1 < room) {
		n = read(fd, text + len, room - 1 - len);
		len += n > 0 ? (size_t)n : 0;
	}
	text[len] = '\0';
	return len;
}

bool health_read_number(const struct health_run *run, const char *path, double *ret_value)
{
	char text[64];
	char *end;
	double value;

	if (health_read(run, path, text, sizeof text) == 0)
		return false;
	value = strtod(text, &end);
	if (end == text)
		return false;
	*ret_value = value;
	return true;
}

double health_labelled(const char *text, const char *label)
{
	size_t len = strlen(label);

	while (text && *text) {
		if (strncmp(text, label, len) == 0)
			return strtod(text + len, NULL);
		text = strchr(text, '\n');
		text += text ? 1 : 0;
	}
	return -1;
}

void health_glob(const struct health_run *run, const char *pattern, size_t max,
		 struct tl_strv *list)
{
	size_t skip = strlen(run->root);
	char full[4096];
	glob_t found;

	if (!health_path(run, pattern, full) || glob(full, 0, NULL, &found) != 0)
		return;
	for (size_t i = 0; i < found.gl_pathc && list->count < max; i++)
		if (tl_strv_push(list, found.gl_pathv[i] + skip) != 0)
			break;
	globfree(&found);
}

DIR *health_dir(const struct health_run *run, const char *path)
{
	char full[4096];

	return health_path(run, path, full) ? opendir(full) : NULL;
}

bool health_age(const struct health_run *run, const char *path, double *ret_age_s)
{
	char full[4096];
	struct stat file;

	if (!health_path(run, path, full) || stat(full, &file) != 0)
		return false;
	*ret_age_s = difftime((time_t)(tl_clock_wall_ms(run->clock) / 1000), file.st_mtime);
	return true;
}

int64_t health_now_ms(void)
{
	return tl_clock_mono_ms(tl_clock_system());
}
