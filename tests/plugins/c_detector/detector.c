/*
 * A detector in C: reports every `limit` keys. To build it as a plugin:
 *
 *     cc -std=c99 -shared -fPIC -I plugin-api/include -o libcandor_c_detector.so detector.c
 */
#include "candor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const CandorHost *host;
    unsigned long limit;
    unsigned long keys;
} Detector;

static CandorStr text(const char *text)
{
    CandorStr str = {text, strlen(text)};
    return str;
}

/* Steps over white space and one word; 0 if it isn't there. */
static const char *expect(const char *at, const char *word)
{
    if (at == NULL)
        return NULL;
    at += strspn(at, " \t\r\n");
    return strncmp(at, word, strlen(word)) == 0 ? at + strlen(word) : NULL;
}

/* Reads {} or {"limit": N}; anything else is refused. */
static int read_config(CandorStr config, unsigned long *limit)
{
    char json[64];
    char *end;
    const char *at;
    if (config.len >= sizeof json)
        return 0;
    if (config.len > 0)
        memcpy(json, config.data, config.len);
    json[config.len] = '\0';
    at = expect(json, "{");
    if (expect(at, "}") == NULL) {
        at = expect(expect(at, "\"limit\""), ":");
        if (at == NULL)
            return 0;
        at += strspn(at, " ");
        if (*at < '1' || *at > '9')
            return 0;
        *limit = strtoul(at, &end, 10);
        at = end;
    }
    at = expect(at, "}");
    return at != NULL && at[strspn(at, " \t\r\n")] == '\0';
}

static CandorStatus refuse(const CandorHost *host, CandorStr config)
{
    char reason[160];
    int shown = config.len < 40 ? (int)config.len : 40;
    snprintf(reason, sizeof reason, "%.*s: not a config; write limit = 10 or nothing", shown, config.data);
    host->fail(host->ctx, CANDOR_FAULT_CONFIG, text(reason), 0);
    return CANDOR_FATAL;
}

static CandorStatus create(const CandorHost *host, CandorStr config, void **out)
{
    unsigned long limit = 100;
    Detector *detector;
    if (!read_config(config, &limit))
        return refuse(host, config);
    detector = calloc(1, sizeof *detector);
    if (detector == NULL)
        return CANDOR_RETRY;
    detector->host = host;
    detector->limit = limit;
    *out = detector;
    return CANDOR_OK;
}

static CandorStatus configure(void *self, CandorStr config)
{
    Detector *detector = self;
    unsigned long limit = 100;
    if (!read_config(config, &limit))
        return refuse(detector->host, config);
    detector->limit = limit;
    return CANDOR_OK;
}

static CandorStatus report(const Detector *detector, const CandorEvent *last)
{
    char body[160];
    CandorEvent record;
    CandorEvents records = {&record, 1};
    int len = snprintf(body, sizeof body,
                       "{\"rule\":\"c_detector\",\"confidence\":1.0,\"text\":\"many keys\",\"evidence\":{\"keys\":%lu}}",
                       detector->keys);
    memset(&record, 0, sizeof record);
    record.kind = CANDOR_FINDING;
    record.mono_ns = last->mono_ns;
    record.unix_ns = last->unix_ns;
    record.body.data = (const uint8_t *)body;
    record.body.len = (size_t)len;
    return detector->host->emit(detector->host->ctx, records);
}

static CandorStatus on_batch(void *self, CandorEvents batch)
{
    Detector *detector = self;
    size_t i;
    for (i = 0; i < batch.len; i++) {
        const CandorEvent *event = &batch.data[i];
        if (event->kind != CANDOR_KEY || event->args[1] != 1)
            continue;
        detector->keys++;
        if (detector->keys % detector->limit == 0) {
            CandorStatus status = report(detector, event);
            if (status != CANDOR_OK)
                return status;
        }
    }
    return CANDOR_OK;
}

static void destroy(void *self)
{
    free(self);
}

static const CandorStr READS[] = {CANDOR_STR("key")};

static const CandorDetectorVtable DETECTOR = {
    {READS, 1}, create, configure, on_batch, NULL, NULL, destroy,
};

static const CandorPlugin PLUGIN = {
    CANDOR_MAGIC,
    CANDOR_ABI,
    sizeof(CandorPlugin),
    CANDOR_STR("c_detector"),
    CANDOR_STR("0.1.0"),
    CANDOR_STR("{\"detector\":{\"type\":\"object\",\"additionalProperties\":false,\"properties\":"
               "{\"limit\":{\"type\":\"integer\",\"minimum\":1,\"default\":100}},"
               "\"x-collects\":\"how often many keys were pressed\",\"x-never\":\"which keys\"}}"),
    NULL,
    &DETECTOR,
    NULL,
    NULL,
};

const CandorPlugin *candor_plugin_v1(void)
{
    return &PLUGIN;
}
