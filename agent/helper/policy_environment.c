/* Which variables an engineer's client may set in a session. */
#include "helper/policy.h"

/* "X_*" matches what begins with X_; another name itself. */
static bool matches_name(const char *pattern, const char *name)
{
	size_t len = strlen(pattern);

	if (len > 0 && pattern[len - 1] == '*')
		return strncmp(pattern, name, len - 1) == 0;
	return tl_streq(pattern, name);
}

/* Those that say who or where somebody is are the session's own; those of the loader change what runs. */
static bool may_be_set(const char *name)
{
	static const char *const own[] = {"BASH_ENV", "ENV",   "HOME", "IFS",	       "LOGNAME",
					  "PATH",     "SHELL", "USER", "SSH_AUTH_SOCK"};
	static const char *const families[] = {"LD_", "TOWLINE_"};

	for (size_t i = 0; i < TL_ARRAY_LEN(own); i++)
		if (matches_name(name, own[i]))
			return false;
	for (size_t i = 0; i < TL_ARRAY_LEN(families); i++)
		if (tl_str_starts(name, families[i]) || matches_name(name, families[i]))
			return false;
	return true;
}

bool tl_policy_may_set(const struct tl_policy *policy, const char *name)
{
	static const char *const always[] = {"TERM", "COLORTERM", "LANG", "LC_*", "NO_COLOR"};

	for (size_t i = 0; i < TL_ARRAY_LEN(always); i++)
		if (matches_name(always[i], name))
			return true;
	for (size_t i = 0; i < policy->sessions_environment.count; i++)
		if (matches_name(policy->sessions_environment.items[i], name))
			return may_be_set(name);
	return false;
}

int tl_policy_check_environment(const struct tl_policy *policy, const char *file,
				struct tl_err *err)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
	static const char all[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";

	for (size_t i = 0; i < policy->sessions_environment.count; i++) {
		const char *name = policy->sessions_environment.items[i];
		size_t len = strspn(name, all);

		if (strspn(name, letters) == 0 || (name[len] && !tl_streq(name + len, "*")))
			return tl_err_set(err, TL_ECONFIG,
					  "%s: sessions.environment: \"%s\" is no variable's name "
					  "(a * may stand at its end)",
					  file, name);
		if (!may_be_set(name))
			return tl_err_set(err, TL_ECONFIG,
					  "%s: sessions.environment: \"%s\" would let an engineer "
					  "change what programs run; leave it out",
					  file, name);
	}
	return 0;
}
