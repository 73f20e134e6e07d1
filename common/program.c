#include <towline/program.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

void tl_program_no_core(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_CORE, &limit) != 0)
		return;
	limit.rlim_cur = 0;
	(void)setrlimit(RLIMIT_CORE, &limit); /* lowering the soft limit is always allowed */
}

int tl_program_path(const char *name, char path[static PATH_MAX], struct tl_err *err)
{
	static const char *const places[] = {"", "../libexec/towline/", "../../bin/"};
	char own[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", own, sizeof own - 1);
	char *slash;

	if (strchr(name, '/'))
		return tl_err_set(err, TL_EINVAL, "program name \"%s\" contains a slash", name);
	if (len < 0)
		return tl_err_sys(err, TL_EIO, errno, "cannot read /proc/self/exe");
	own[len] = '\0';
	slash = strrchr(own, '/');
	if (!slash)
		return tl_err_set(err, TL_EINTERNAL, "/proc/self/exe is not a path: %s", own);
	slash[1] = '\0';
	for (size_t i = 0; i < TL_ARRAY_LEN(places); i++) {
		int put = snprintf(path, PATH_MAX, "%s%s%s", own, places[i], name);

		if (put > 0 && put < PATH_MAX && access(path, X_OK) == 0)
			return 0;
	}
	return tl_err_set(err, TL_ENOENT,
			  "program %s is missing: it should stand in %s or %s../libexec/towline",
			  name, own, own);
}
