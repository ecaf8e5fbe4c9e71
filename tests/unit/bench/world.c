#include "world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char manifest[] =
	"{\"zones\": ["
	"{\"zone\": \"z000.alpha.\", \"fault\": \"none\", \"algorithm\": 13,"
	" \"verdict\": \"secure\", \"denial\": \"nsec3\"},"
	"{\"zone\": \"z001.beta.\", \"fault\": \"none\", \"algorithm\": 0,"
	" \"verdict\": \"insecure\", \"denial\": \"none\"},"
	"{\"zone\": \"z002.beta.\", \"fault\": \"badsig\", \"algorithm\": 13,"
	" \"verdict\": \"bogus\", \"denial\": \"nsec\"},"
	"{\"zone\": \"shape.\", \"fault\": \"none\", \"algorithm\": 13,"
	" \"verdict\": \"secure\", \"denial\": \"nsec\"}]}";

#define SIG " 13 3 3600 20311123164325 20261025164325 42890 z000.alpha. aGVsbG8gd29ybGQ=\n"

static const char secure_zone[] =
	"z000.alpha.\t3600\tIN\tSOA\tns1.z000.alpha. h.z000.alpha. 1 7200 3600 1209600 60\n"
	"ns1.z000.alpha.\t3600\tIN\tA\t198.18.2.1\n"
	"h000.z000.alpha.\t3600\tIN\tA\t198.19.0.1\n"
	"h000.z000.alpha.\t3600\tIN\tRRSIG\tA" SIG
	"h000.z000.alpha.\t3600\tIN\tAAAA\t2001:db8::1\n"
	"h000.z000.alpha.\t3600\tIN\tRRSIG\tAAAA" SIG
	"h000.z000.alpha.\t3600\tIN\tTXT\t\"not asked for\"\n"
	"h001.z000.alpha.\t60\tIN\tA\t198.19.0.2\n"
	"h001.z000.alpha.\t60\tIN\tRRSIG\tA" SIG "h002.z000.alpha.\t86400\tIN\tA\t198.19.0.3\n"
	"h002.z000.alpha.\t86400\tIN\tA\t198.19.0.4\n"
	"h002.z000.alpha.\t86400\tIN\tRRSIG\tA" SIG;

static const char insecure_zone[] = "h000.z001.beta.\t3600\tIN\tA\t198.19.1.1\n"
				    "ns1.z001.beta.\t3600\tIN\tA\t198.18.2.2\n";

static void write_file(const char *dir, const char *name, const char *text)
{
	char path[128];
	snprintf(path, sizeof(path), "%.63s/%.63s", dir, name);
	FILE *out = fopen(path, "w");
	cr_assert_not_null(out);
	fputs(text, out);
	fclose(out);
}

static void remove_file(const char *dir, const char *name)
{
	char path[128];
	snprintf(path, sizeof(path), "%.63s/%.63s", dir, name);
	remove(path);
}

void world_load(const struct selection *s, struct catalogue *out)
{
	char dir[] = "/tmp/fairlead-world.XXXXXX";
	char zones[64];
	cr_assert_not_null(mkdtemp(dir));
	snprintf(zones, sizeof(zones), "%s/zones", dir);
	cr_assert_eq(mkdir(zones, 0700), 0);
	write_file(dir, "manifest.json", manifest);
	write_file(zones, "z000.alpha.zone", secure_zone);
	write_file(zones, "z001.beta.zone", insecure_zone);
	/* twice: what is there stays as it is */
	cr_assert(s->wild == 0 || (catalogue_plant(dir) && catalogue_plant(dir)));
	const bool ok = catalogue_load(dir, s, out);
	remove_file(zones, "z000.alpha.zone");
	remove_file(zones, "z001.beta.zone");
	remove_file(dir, "manifest.json");
	rmdir(zones);
	rmdir(dir);
	cr_assert(ok, "the catalogue is read");
}

const struct entry *world_find(const struct catalogue *c, const char *text)
{
	char found[300];
	for (size_t i = 0; i < c->count; i++) {
		catalogue_text(c, &c->entries[i], found, sizeof(found));
		if (strcmp(found, text) == 0) {
			return &c->entries[i];
		}
	}
	return NULL;
}
