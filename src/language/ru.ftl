# blockspan по-русски. Синтаксис Project Fluent (https://projectfluent.org).
language-name = Русский

## The frame of every page

nav-label = Разделы страницы
nav-overview = Обзор
nav-vantages = Точки наблюдения
nav-feed = Лента
nav-api = Данные (JSON)
nav-metrics = Метрики
nav-languages = Языки
skip-to-content = Перейти к содержанию
state-at = Состояние на { $at }.
renew = Обновить
how-to-read = Как это читать
how-status = Статус — итог проверки по многим измерениям: одна неудача никогда не делает сайт заблокированным.
how-brackets = Измерения время от времени дают лишь границы события: блокировка началась после последнего удачного и не позже первого неудачного измерения.
how-reports = То, о чём сообщают документы, показано отдельно и никогда не смешивается с измеренным.
how-silence = Пока точка наблюдения молчит, ничего не известно: молчание не считается доступностью.
how-utc = Всё время — UTC; если скрипты разрешены, при наведении показывается и местное время.
local-time = местное время
error-heading = Это показать нельзя
error-missing = Здесь ничего нет. Этого не было, или новое суждение это отозвало.
error-record = Запись не читается; причина указана в журнале службы.
error-asked = Запрос непонятен: { $what }

## Statuses

status-accessible = доступен
status-blocked = заблокирован
status-denied = отказ сервера
status-down = не работает
status-offline = нет сети
status-inconclusive = неясно
status-unmeasured = ещё не измерено
status-accessible-means = сайт отвечает
status-blocked-means = кто-то на пути вмешивается
status-denied-means = сам сервер сайта отказывает этой точке наблюдения
status-down-means = сайт не открывается и у контроля
status-offline-means = у точки наблюдения нет сети или есть только внутренняя
status-inconclusive-means = данных недостаточно для суждения

## Parts of the way, where only one is interfered with

part-ipv4 = только адреса IPv4
part-ipv6 = только адреса IPv6
part-address = только часть адресов
part-quic = только HTTP/3
part-resolver = только один резолвер

## Where a span comes from

source-measured = измерено
source-reported = сообщено
source-ooni = импортировано из OONI

## The overview

overview = Обзор
nothing-measured = Ещё ничего не измерено.
config-refused = Настройки отклонены; действуют прежние
watched-for = Наблюдается для { $country }
watched-nowhere = Наблюдается, страна не указана
matrix-caption = Что сейчас, по сайтам и точкам наблюдения
column-site = Сайт
column-year = Блокировки за последние 365 дней
from-vantage = из { $vantage }
for-at-least = не менее { $length }
year-strip = { $count ->
    [0] За последние 365 дней блокировок нет.
    [one] Из последних 365 дней { $count } день с блокировкой.
    [few] Из последних 365 дней { $count } дня с блокировкой.
   *[other] Из последних 365 дней { $count } дней с блокировкой.
}
confirming-failures = Неудачи проверяются повторно.
confirming-recovery = Восстановление проверяется повторно.

## Countries

country-name = { $code ->
    [KZ] Казахстан
    [KG] Кыргызстан
    [UZ] Узбекистан
    [TJ] Таджикистан
    [TM] Туркменистан
    [RU] Россия
    [BY] Беларусь
    [UA] Украина
    [AZ] Азербайджан
    [AM] Армения
    [GE] Грузия
    [MN] Монголия
    [CN] Китай
    [IR] Иран
    [TR] Турция
   *[other] { $code }
}

## A vantage

vantages = Точки наблюдения
vantage-up = сеть есть
vantage-offline = нет сети
vantage-unknown = пока неизвестно
vantage-silent = { $what }; началось { $since }
vantage-began-unknown = в неизвестное время
vantages-network = Сеть
vantages-country = Страна
vantages-now = Сейчас
vantages-silences = Когда точки наблюдения молчали
vantages-no-silences = В это время ни одна точка наблюдения не молчала.
vantages-what = Что
silence-offline = нет сети
silence-domestic_only = только внутренняя сеть
silence-not_measuring = не измеряла
silence-stopped = служба остановлена
silence-broke_off = служба оборвалась
silence-asleep = машина спала
silence-unlisted = не было в настройках

## A site

now = Сейчас
category = Категория
country = Страна
began = Началось { $when }.
began-first = Началось { $when }, до первого измерения.
began-unknown = Когда началось, неизвестно.
how-label = Как
seen-in = { $count ->
    [one] Видно в { $count } измерении
   *[other] Видно в { $count } измерениях
}
seen-sure = , уверенность, что это не случайность: { $sure }
measured-ago = измерено { $length } назад
open-span = Доказательства
reported-by-documents = Сообщают документы
report-began = началось { $when }
report-began-unstated = начало не указано
report-ended = закончилось { $when }
report-ended-unstated = закончилось, когда — не указано
report-no-end = конец не указан
report-as-of = по состоянию на { $when }
report-about = { $url } из { $vantage }

## The time line

timeline = Шкала времени
timeline-help = Выберите отрезок, чтобы увидеть доказательства. Если скрипты разрешены: протяните мышью, чтобы выбрать время, или с клавиатуры — + и − меняют масштаб, стрелки сдвигают.
zoom = Масштаб
zoom-hour = час
zoom-day = день
zoom-week = неделя
zoom-month = месяц
zoom-year = год
zoom-decade = десятилетие
zoom-all = всё
zoom-earlier = раньше
zoom-later = позже
zoom-in = ближе
zoom-out = шире
zoom-from = С
zoom-to = По
zoom-show = Показать
legend-certain = достоверно
legend-possible = началось или закончилось внутри
legend-unstated = не указано
legend-ongoing = продолжается
legend-watched = измерялось
legend-silent = точка наблюдения молчала
lane-any = место не указано
spans = Отрезки
no-spans = За это время против сайта ничего не записано.
more-spans = Показаны только первые { $count }. Выберите более короткое время или возьмите все через API.
column-began = Начало
column-ended = Конец
column-from = Откуда
column-how = Как
column-sure = Уверенность
column-source = Источник
column-span = Отрезок
goes-on = продолжается
not-stated = не указано
last-seen = последний раз видно { $when }

## A span and its evidence

span-title = { $site }: { $status }
span-id = Номер отрезка
span-url = URL
span-techniques = Способы по порядку
span-since = с { $at }
span-measurements = Измерений
span-last = Последний раз так
span-citation = Документ
span-events = Что говорит журнал
event-opened = открыт
event-mechanism = способ сменился
event-closed = закрыт
event-rejudged = рассмотрен заново
event-withdrawn = отозван
decided-by = решающее измерение
evidence-start = Вокруг начала
evidence-end = Вокруг конца
evidence-last = Последний взгляд
evidence-gone = Измерения того времени больше не хранятся.
evidence-reported = Так говорит документ. Здесь этого никто не измерял, и это хранится отдельно от измеренного.
evidence-more = { $count ->
    [one] Между ними ещё { $count } измерение.
    [few] Между ними ещё { $count } измерения.
   *[other] Между ними ещё { $count } измерений.
}
evidence-before = последнее удачное до этого
evidence-decided = решило
all-measurements = Все измерения этого отрезка (JSON)

## One measurement

measurement = Измерение
measurement-id = Номер измерения
verdict = Суждение
reasons = Основания
rules = Правила
rule-set = набор правил { $number }
reasons-language = Основания записаны предложениями на английском языке.
trigger-scheduled = по расписанию
trigger-confirmation = для подтверждения
trigger-manual = по запросу
trigger-control = для другого измерения
took = Заняло
layer-dns = DNS: какой адрес у имени?
layer-tcp = TCP: соединяется ли адрес?
layer-tls = TLS: подтверждает ли сайт себя?
layer-http = HTTP: что он отвечает?
layer-quic = QUIC: работает ли HTTP/3?
resolver = Резолвер
resolver-reference = эталон
address = Адрес
address-from-reference = адрес от эталона
outcome = Итог
works = работает
certificate = Сертификат
certificate-subject = Владелец
certificate-issuer = Издатель
certificate-valid = Действует
certificate-from-to = с { $from } по { $to }
certificate-names = Для имён
certificate-hash = SHA-256
certificate-faults = Что не так
fault-unknown_issuer = не ведёт к доверенному корню
fault-wrong_name = выдан на другое имя
fault-expired = истёк
fault-not_yet_valid = ещё не действует
fault-bad_signature = без подтверждения ключа
fault-malformed = испорчен, отвергнутого вида или отозван
page-title = Заголовок
page-size = Размер
page-cut = прочитано и обрезано по нашему пределу
redirect-to = отправляет на
control = Что видел контроль
control-none = Контроль не спрашивали.
control-unusable = спросить не удалось: { $why }
control-got = получает страницу: { $status }
control-failed = тоже не получает: { $why }
control-silent = ничего не говорит о сайте
canaries = Что сказали контрольные сайты сети
canaries-none = Контрольные сайты сети не спрашивали.
experiments = То же ещё раз, с одним изменением
experiment-unrelated_sni = адрес сайта, другое имя в приветствии
experiment-sni_elsewhere = посторонний адрес, имя сайта в приветствии
experiment-other_resolvers = имя сайта, другие резолверы
experiment-other_family = адреса сайта другого семейства
experiment-other_host = адрес сайта, другое имя в запросе
experiment-host_elsewhere = посторонний адрес, имя сайта в запросе
experiment-suspect = Как под подозрением
experiment-variant = С изменением

## Mechanisms

mechanism-dns-nxdomain = сервер имён провайдера говорит, что имени сайта не существует
mechanism-dns-refused = сервер имён провайдера отказывается отвечать про имя сайта
mechanism-dns-servfail = сервер имён провайдера сообщает об ошибке для имени сайта
mechanism-dns-timeout = сервер имён провайдера молчит в ответ на имя сайта
mechanism-dns-empty = сервер имён провайдера не даёт адреса для имени сайта
mechanism-dns-bogon = сервер имён провайдера даёт адрес, который не может быть публичным
mechanism-dns-blockpage = сервер имён провайдера даёт адрес страницы-заглушки
mechanism-dns-forged = сервер имён провайдера даёт чужой адрес
mechanism-dns-injected = на один вопрос об имени сайта приходят два разных ответа
mechanism-tcp-timeout = соединения с адресом сайта пропадают без ответа
mechanism-tcp-reset = соединения с адресом сайта сбрасываются
mechanism-tcp-refused = соединения с адресом сайта отклоняются
mechanism-tcp-unreachable = сеть сообщает, что адрес сайта недостижим
mechanism-tls-timeout = шифрованное приветствие с именем сайта пропадает без ответа
mechanism-tls-reset = соединение сбрасывается, когда приветствие называет сайт
mechanism-tls-eof = соединение закрывается, когда приветствие называет сайт
mechanism-tls-alert = шифрованное приветствие с именем сайта отвергается
mechanism-tls-mitm = кто-то посередине отвечает своим сертификатом
mechanism-http-blockpage = вместо сайта показывается страница-заглушка
mechanism-http-redirect = посетителей отправляют на страницу-заглушку
mechanism-http-reset = соединение сбрасывается, когда запрос называет сайт
mechanism-http-timeout = запрос с именем сайта пропадает без ответа
mechanism-http-eof = соединение закрывается, когда запрос называет сайт
mechanism-http-truncated = страница обрывается посередине
mechanism-http-451 = ответ говорит, что сайт заблокирован по закону
mechanism-quic-timeout = соединения QUIC с сайтом пропадают без ответа
mechanism-throttled = сайт замедлён

## Failures, as seen at a layer where that matters

failure-generic_timeout_error-dns = нет ответа до срока
failure-generic_timeout_error-tcp = тишина: на SYN никто не отвечает
failure-generic_timeout_error-tls = тишина: на ClientHello никто не отвечает
failure-generic_timeout_error-http = тишина: на запрос никто не отвечает
failure-generic_timeout_error-quic = тишина: на первый пакет никто не отвечает
failure-timed_out-dns = нет ответа до срока
failure-timed_out-tcp = тишина: на SYN никто не отвечает
failure-timed_out-tls = тишина: на ClientHello никто не отвечает
failure-timed_out-http = тишина: на запрос никто не отвечает
failure-timed_out-quic = тишина: на первый пакет никто не отвечает
failure-connection_reset-tls = соединение сброшено после ClientHello
failure-connection_reset-http = соединение сброшено после запроса
failure-eof_error-tls = соединение закрыто после ClientHello
failure-eof_error-http = соединение закрыто до конца ответа
failure-connection_refused = в соединении отказано
failure-connection_reset = соединение сброшено
failure-connection_aborted = соединение прервано этой машиной
failure-host_unreachable = сеть говорит: узел недостижим
failure-network_unreachable = сеть недостижима
failure-network_down = у этой машины нет сети
failure-address_not_available = заданный исходящий адрес использовать нельзя
failure-address_family_not_supported = у этой машины нет такого семейства адресов
failure-permission_denied = запрещено межсетевым экраном или сетью
failure-eof_error = соединение закрыто
failure-dns_nxdomain_error = имени не существует (NXDOMAIN)
failure-dns_refused_error = резолвер отказывается отвечать (REFUSED)
failure-dns_servfail_error = резолвер сообщает об ошибке (SERVFAIL)
failure-dns_no_answer = ответ без единого адреса
failure-dns_bogon_error-tcp = соединения не было: адрес не может быть публичным или принадлежит этой машине
failure-dns_bogon_error = только адреса, которые не могут быть публичными
failure-dns_server_misbehaving = ответ не имеет смысла
failure-dns_reply_with_wrong_query_id = ответ на другой вопрос (не тот номер)
failure-quic_incompatible_version = нет общей версии QUIC
failure-ssl_failed_handshake = рукопожатие не удалось
failure-ssl_invalid_hostname = сертификат выдан на другое имя
failure-ssl_unknown_authority = сертификат не ведёт к доверенному корню
failure-ssl_invalid_certificate = сертификат недействителен
failure-http_request_failed = ответ нельзя прочитать
failure-http_invalid_redirect_location_host = перенаправление без пригодного узла
failure-http_unexpected_redirect_url = перенаправление не на веб-страницу
failure-http_too_many_redirects = больше десяти перенаправлений
failure-proxy_failed = отказал собственный прокси точки наблюдения
failure-interrupted = прервано
failure-unknown_failure = неизвестная неудача: { $text }

## The briefing (`blockspan report`)

brief-title = Заблокированные сайты: { $country }
brief-period = с { $from } по { $to }
brief-made = Составлено { $at } программой blockspan { $version }, набор правил { $rules }.
brief-summary = Краткое изложение
brief-fact-sites = Сайтов
brief-fact-blocked = Заблокированы сейчас
brief-fact-vantages = Точек наблюдения
brief-fact-networks = Сетей
brief-fact-spans = Записано блокировок
brief-fact-measurements = Измерений, которые их видели
brief-none = нет
brief-is-blocked = { $site } сейчас заблокирован. Началось { $since }.
brief-was-blocked = { $count ->
    [one] { $site } был заблокирован { $count } раз, в общей сложности не менее { $length }. Сейчас не заблокирован.
    [few] { $site } был заблокирован { $count } раза, в общей сложности не менее { $length }. Сейчас не заблокирован.
   *[other] { $site } был заблокирован { $count } раз, в общей сложности не менее { $length }. Сейчас не заблокирован.
}
brief-is-clear = { $site } измерялся, блокировка не обнаружена.
brief-is-unreached = { $site } измерялся, но ни разу не был достигнут; был ли он заблокирован, неизвестно.
brief-is-unmeasured = { $site } в это время не измерялся.
brief-agreed = Видели одновременно { $seen } из { $watched } сетей; чтобы блокировка считалась общей для страны, должны совпасть { $quorum }.
brief-too-few = Видели { $seen } из { $watched } сетей, но не { $quorum } одновременно: для блокировки в стране этого мало.
brief-one-network = Видела одна сеть: это может быть её собственное решение или её неисправность.
brief-urls = Адреса
brief-blocks = Блокировки
brief-no-blocks = За это время блокировок не записано.
brief-network = Сеть
brief-seen = Измерений
brief-opened-by = открыт по измерению { $id }
brief-closed-by = закрыт по измерению { $id }
brief-comparison = Что сообщали документы и что измерено
brief-claim-confirmed = { $count ->
    [one] На это время приходится { $count } записанная блокировка, она это подтверждает.
    [few] На это время приходятся { $count } записанные блокировки, они это подтверждают.
   *[other] На это время приходится { $count } записанных блокировок, они это подтверждают.
}
brief-claim-contradicted = Измерения того времени в записи есть (с { $from } по { $to }), а блокировки нет.
brief-claim-unmeasured = Измерений того времени в записи нет: это остаётся утверждением.
brief-no-claims = Ни один документ из списка об этом сайте не говорит.
brief-vantages = Откуда измерялось
brief-silent = Молчала
brief-method = Метод
brief-method-measuring = Каждый адрес измеряется слой за слоем через короткие промежутки: какие адреса у имени, соединяются ли они, подтверждает ли себя сайт сертификатом, что он отвечает. При неудаче сразу спрашивают машины в других местах и посторонние сайты.
brief-method-deciding = Одна неудача ничего не доказывает. Когда блокировка началась и закончилась, решает статистическая проверка по многим измерениям; она же говорит, насколько маловероятна случайность.
brief-method-bounds = У каждого начала и конца две границы: событие лежит между последним измерением, видевшим одно состояние, и первым, видевшим другое.
brief-limits = Пределы
brief-limit-place = Сказанное относится к сетям, из которых измеряли, а не ко всем сетям страны.
brief-limit-who = Видно, что кто-то на пути вмешивается и как, но не видно, кто это приказал.
brief-limit-silence = Где никто не измерял, ничего не известно. Молчание показано пунктиром и не означает, что сайт был доступен.
brief-limit-short = Блокировки короче нескольких минут могут остаться незамеченными.
brief-cite = Как ссылаться
brief-cite-text = { $title }, { $period }. blockspan { $version }, набор правил { $rules }, составлено { $at }.
brief-cite-ids = На блокировку ссылайтесь по номеру отрезка, на отдельное наблюдение — по номеру измерения. У кого есть запись, тот найдёт и то и другое вместе с доказательствами.

## News: feed and webhooks

news-blocked = заблокирован
news-over = больше не заблокирован
news-withdrawn = Отрезок отозван новым суждением.
news-is = { $what } заблокирован. Блокировка началась { $began }.
news-was = { $what } был заблокирован. Блокировка началась { $began } и закончилась { $ended }.
news-how = Как: { $how } ({ $label }).
news-seen = Измерений: { $seen }, уверенность { $sure }.
news-decided = Решающее измерение { $measurement }; отрезок { $span }.

## Instants and lengths

bracket-unknown = в неизвестное время
bracket-before = до { $latest }
bracket-after = после { $earliest }
bracket-at = { $at }
bracket-between = между { $earliest } и { $latest }
period-year = в { $year } г.
document-month = { $month ->
    [1] январь
    [2] февраль
    [3] март
    [4] апрель
    [5] май
    [6] июнь
    [7] июль
    [8] август
    [9] сентябрь
    [10] октябрь
    [11] ноябрь
   *[12] декабрь
    } { $year } г.
document-day = { $day } { $month ->
    [1] января
    [2] февраля
    [3] марта
    [4] апреля
    [5] мая
    [6] июня
    [7] июля
    [8] августа
    [9] сентября
    [10] октября
    [11] ноября
   *[12] декабря
    } { $year } г.
period-month = в { $month ->
    [1] январе
    [2] феврале
    [3] марте
    [4] апреле
    [5] мае
    [6] июне
    [7] июле
    [8] августе
    [9] сентябре
    [10] октябре
    [11] ноябре
   *[12] декабре
    } { $year } г.
period-day = { $day } { $month ->
    [1] января
    [2] февраля
    [3] марта
    [4] апреля
    [5] мая
    [6] июня
    [7] июля
    [8] августа
    [9] сентября
    [10] октября
    [11] ноября
   *[12] декабря
    } { $year } г.
length-seconds = { $count } с
length-minutes = { $count } мин
length-hours = { $count } ч
length-days = { $count } дн.
