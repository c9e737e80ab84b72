"""Column names that banks use, by field, rank and language. Data: to teach the reader a name, add it here.

A line is `field rank language: name; name; ...`. Rank 0 is what the ledger wants first; a higher rank is taken where no lower one
is there. Names are compared folded (no case, accents, punctuation), without a currency code ("Betrag (EUR)" is "betrag").
`other_*` names columns that must not be taken for the field though a part of their name says so.
"""

from __future__ import annotations

from services.ingestion.readers.folding import fold

_TABLE = """
date 0 en: transaction date; trans date; trans. date; date of transaction; txn date; tran date; transaction on; purchase date; operation date; transactiondate; transaction time; date time of transaction; effective date time
date 0 de: transaktionsdatum; umsatzdatum; kaufdatum; einkaufsdatum
date 0 fr: date opération; date d'opération; date de l'opération; date de transaction; date transaction; date de la transaction; date d'achat; date achat
date 0 es: fecha operación; fecha de operación; fecha de la operación; f. operación; fecha transacción; fecha de transacción; f. oper.; fecha oper
date 0 it: data operazione; data dell'operazione; data transazione; data movimento; data registrazione operazione
date 0 nl: datum verrichting; transactiedatum; datum transactie; verrichtingsdatum; datum van transactie; aankoopdatum
date 0 pt: data operação; data da operação; data transação; data da transação; data mov; data mov.; data movimento; data do movimento; data da compra; data do lançamento; data lançamento
date 0 pl: data operacji; data transakcji; data dokonania operacji
date 0 cs: datum provedení; datum transakce; datum operace; datum uskutečnění; datum platby; datum pohybu
date 0 sk: dátum transakcie; dátum operácie; dátum uskutočnenia
date 0 hu: tranzakció dátuma; tranzakció ideje; tranzakció időpontja; tranzakció dátum; művelet dátuma; vásárlás dátuma; forgalom dátuma
date 0 sv: transaktionsdatum; transaktionsdag; inköpsdatum; reskontradatum; affärsdag
date 0 da: transaktionsdato; købsdato; handelsdato
date 0 no: transaksjonsdato; kjøpsdato; utført dato
date 0 fi: tapahtumapäivä; tapahtuma päivä; tapahtumapvm; maksupäivä; ostopäivä
date 0 ro: data tranzacției; data tranzactiei; data operațiunii; data tranzactie
date 0 tr: işlem tarihi
date 0 hr: datum transakcije; datum izvršenja
date 1 en: booking date; booked date; date booked; posting date; post date; posted date; date posted; posted; posted on; date processed; process date; processed date; processing date; completed date; date completed; entry date; accounting date; clearing date; book date; booking; transaction posted date; cleared date
date 1 de: buchungstag; buchungsdatum; buchung; buchungszeitpunkt; gebucht am; datum buchung; verbuchungsdatum; abschlussdatum; buchungs datum; verbucht am
date 1 fr: date comptable; date de comptabilisation; date de comptabilité; date d'enregistrement; date de l'écriture; date écriture; date comptabilisation; date d'inscription; dateop; date op; date compta
date 1 es: fecha contable; f. contable; fecha de contabilización; fecha movimiento; fecha de movimiento; fecha registro; fecha de registro; fecha mov
date 1 it: data contabile; data contabilizzazione; data registrazione; data di registrazione; data cont
date 1 nl: boekdatum; boekingsdatum; datum boeking; boekingsdag; uitvoeringsdatum
date 1 pt: data contabilística; data contábil; data de contabilização; data de lançamento; data contab
date 1 pl: data księgowania; data zaksięgowania; data rozliczenia
date 1 cs: datum zaúčtování; datum účtování; datum zúčtování; zaúčtováno; datum odepsání
date 1 sk: dátum zaúčtovania; dátum účtovania; dátum zúčtovania
date 1 hu: könyvelés dátuma; könyvelési dátum; könyvelés napja; könyvelés; terhelés napja; elszámolás dátuma
date 1 sv: bokföringsdatum; bokföringsdag; bokförd; bokf datum; bokfört datum
date 1 da: bogføringsdato; bogført; bogf. dato; bogført dato; posteringsdato
date 1 no: bokføringsdato; bokført; bokført dato; bokføringsdag; posteringsdato
date 1 fi: kirjauspäivä; kirjauspvm; kirjattu
date 1 ro: data procesării; data inregistrarii; data contabilizării
date 1 tr: muhasebe tarihi; kayıt tarihi
date 1 hr: datum knjiženja
date 2 en: date; day; dates; date time; datetime; time; timestamp; created; created at; created utc; created on; date created; date created utc; run date; trade date; deal date; payment date; date utc; statement entry date; settle date
date 2 de: datum; tag; zeitpunkt; datum uhrzeit
date 2 fr: date; jour; date heure
date 2 es: fecha; día; fecha hora
date 2 it: data; giorno; data ora
date 2 nl: datum; dag; datum tijd
date 2 pt: data; dia; data hora
date 2 pl: data; dzień
date 2 cs: datum; den
date 2 sk: dátum
date 2 hu: dátum; nap; időpont
date 2 sv: datum; dag
date 2 da: dato; dag
date 2 no: dato; dag
date 2 fi: päivämäärä; päivä; pvm
date 2 ro: data
date 2 tr: tarih
date 2 hr: datum
date 3 en: started date; start date; initiated date; authorised date; authorized date; order date; invoice date; document date; original date; date of issue
date 3 de: belegdatum; auftragsdatum; beleg; erfassungsdatum
date 3 pl: data zlecenia
date 4 en: value date; valuta; value; settlement date; settled date; settlement; interest date; available on; available on utc; value dt; finished on; effective date; val date
date 4 de: valuta; valutadatum; wertstellung; wertstellungsdatum; wertstellungstag; valuta datum; wert; datum valuta
date 4 fr: date de valeur; date valeur; valeur; dateval
date 4 es: fecha valor; f. valor; fecha de valor; valor; fecha val
date 4 it: data valuta; valuta
date 4 nl: rentedatum; valutadatum; datum verrekening; valuta; valuta datum; verrekeningsdatum
date 4 pt: data valor; data-valor; valor
date 4 pl: data waluty
date 4 cs: datum valuty; valuta; datum splatnosti
date 4 hu: értéknap; érték nap; értéknap dátuma
date 4 sv: valutadag; valutadatum; räntedag
date 4 da: rentedato; valørdato; valør
date 4 no: rentedato; valuteringsdato; valutadato
date 4 fi: arvopäivä; arvopvm
date 4 tr: valör; valör tarihi
other_date 0 en: due date; statement date; statement period; balance date; date of birth; expiry date; initial date; final date; from date; to date; exchange rate date; date added; modified; updated; last updated
amount 0 en: net; net amount; billing amount; billed amount; settled amount; booked amount; amount in account currency; account amount; amount posted; total net; net total; transaction amount in account currency; amount charged
amount 0 de: buchungsbetrag; nettobetrag; netto; betrag in kontowährung; abrechnungsbetrag; belasteter betrag
amount 0 fr: montant net; net; montant en euros; montant en devise du compte
amount 0 es: neto; importe neto; importe en cuenta
amount 0 it: netto; importo netto
amount 0 nl: nettobedrag; netto
amount 0 pl: kwota w walucie rachunku; kwota rozliczenia; kwota zaksięgowana; kwota księgowania
amount 0 cs: zaúčtovaná částka; částka v měně účtu; zúčtovaná částka; objem v měně účtu
amount 0 sk: suma v mene účtu; zaúčtovaná suma
amount 0 hu: könyvelt összeg; elszámolt összeg; terhelt összeg
amount 0 sv: bokfört belopp
amount 0 no: bokført beløp
amount 1 en: amount; amt; amounts; transaction amount; trans amount; tran amount; txn amount; payment amount; amount single column; posted amount; amount total; signed amount; value of transaction; amount value; total amount; amt.
amount 1 de: betrag; umsatz; betrag in; betrag in währung; umsatzbetrag; umsatz in; summe; wert in; belastung gutschrift; betrag mit vorzeichen; betrag eur
amount 1 fr: montant; montant de l'opération; montant opération; montant transaction; montant de la transaction; montant en; débit crédit
amount 1 es: importe; monto; cantidad; importe operación; importe de la operación; importe movimiento; importe de movimiento; valor operación; cuantía
amount 1 it: importo; ammontare; importo operazione; importo movimento; importo in
amount 1 nl: bedrag; bedrag bij af; transactiebedrag; bedrag in; bedrag transactie
amount 1 pt: montante; quantia; importância; valor; valor da operação; valor da transação; valor do movimento; montante em; valor em
amount 1 pl: kwota; kwota operacji; kwota transakcji; wartość; suma
amount 1 cs: částka; objem; suma; částka transakce; částka platby; castka; obrat
amount 1 sk: suma; čiastka; suma transakcie; objem
amount 1 hu: összeg; tranzakció összege; forgalom összege; könyvelési összeg; érték; osszeg
amount 1 sv: belopp; transaktionsbelopp; summa; belopp sek; belopp i
amount 1 da: beløb; beloeb; transaktionsbeløb; beløb i; beløb dkk
amount 1 no: beløp; belop; transaksjonsbeløp; beløp i; sum; inn ut
amount 1 fi: määrä; summa; rahamäärä; määrä euroa; tapahtuman määrä; euroa; maara
amount 1 ro: suma; sumă; valoare; suma tranzacției; suma tranzactie
amount 1 tr: tutar; işlem tutarı; miktar; meblağ
amount 1 hr: iznos; iznos transakcije
amount 2 en: gross; gross amount; total; sum; value; charge amount; debit credit amount; display amount; money; price; cost; amount paid; payment
amount 2 de: bruttobetrag; brutto; gesamt; gesamtbetrag; preis
amount 2 fr: montant brut; brut; total; valeur
amount 2 es: importe bruto; total; valor
amount 2 it: importo lordo; totale; lordo
amount 2 nl: totaal; brutobedrag
amount 3 en: amount in eur; amount in usd; amount in gbp; base amount; home amount; amount home currency
other_amount 0 en: fee; fees; tax; tip; commission; original amount; local amount; foreign amount; converted amount; counter amount; source amount; target amount; instructed amount; amount in foreign currency; transaction currency amount; cashback amount; rewards; points; discount; vat; exchange rate; rate; amount foreign currency; amount foreign; minimum amount; credit limit; limit; interest; shipping and handling amount; insurance amount; sales tax; fee amount; source fee amount; target fee amount; amount fee; amount tip; amount tax; orig amount
other_amount 0 de: originalbetrag; betrag original; gebühr; gebühren; entgelt; ursprungsbetrag; betrag in fremdwährung; fremdwährungsbetrag; mandatsbetrag; kurs; umrechnungskurs; lastschrift ursprungsbetrag; auslagenersatz rücklastschrift; provision; spesen; einzelbetrag; ursprünglicher betrag; betrag fremdwährung
other_amount 0 fr: frais; commission; montant d'origine; montant en devise; montant original; taux; taux de change; montant en devise d'origine; tva
other_amount 0 es: comisión; comisiones; importe original; importe divisa; importe en divisa; cambio; tipo de cambio; impuesto; iva
other_amount 0 it: commissione; commissioni; importo originale; importo in divisa; cambio; tasso; importo in valuta
other_amount 0 nl: oorspr bedrag; oorspronkelijk bedrag; kosten; kosten op verrichting; koers; bedrag in vreemde valuta; wisselkoers; bedrag vreemde valuta; btw
other_amount 0 pt: comissão; valor original; montante original; taxa; câmbio; imposto
other_amount 0 pl: prowizja; kwota oryginalna; kwota w walucie; opłata; kurs; kwota w walucie transakcji; kwota w walucie oryginalnej; kwota blokady
other_amount 0 cs: poplatek; původní částka; původní částka a měna; původní částka obratu; kurz; směnný kurz; částka obratu v původní měně; částka v cizí měně
other_amount 0 hu: díj; jutalék; eredeti összeg; árfolyam; költség; eredeti tranzakció összege
other_amount 0 sv: avgift; ursprungligt belopp; utländskt belopp; valutakurs; kurs; moms; belopp i utländsk valuta; originalbelopp
other_amount 0 da: gebyr; oprindeligt beløb; kurs; moms; beløb i udenlandsk valuta
other_amount 0 no: gebyr; opprinnelig beløp; kurs; valutabeløp; valutakurs; mva
other_amount 0 fi: palkkio; kurssi; alkuperäinen määrä; alv; alkuperäinen summa
debit 0 en: debit; debits; debit amount; debit amt; amount debit; amount debited; withdrawal; withdrawals; withdrawal amt; withdrawal amount; withdraw; outflow; money out; paid out; amount out; out; outgoing; outgoings; dr; debited; spent; spend; expense; expenses; payments out; payment out; charges; charge; withdrawn; dr amount; spending; amount spent; outflows; debit value; debit transactions
debit 0 de: soll; belastung; lastschrift; ausgabe; ausgaben; belastungen; lastschriften; ausgang; betrag soll; soll betrag; abgang; auszahlung; lastschrift in; belastung in; zahlungsausgang
debit 0 fr: débit; debit; dépense; dépenses; débits; retrait; retraits; sortie; sorties; montant débit; débit euros; montant au débit; débit en; paiements
debit 0 es: cargo; cargos; débito; debe; gasto; gastos; retiro; retiros; egreso; egresos; salida; salidas; débitos; importe cargo; pagos; adeudo
debit 0 it: addebito; addebiti; dare; uscite; uscita; spese; spesa; uscite in; importo addebito; pagamenti; prelievi
debit 0 nl: af; debet; uitgaven; uitgave; afschrijving; debit; afgeschreven; bedrag af; uitgaand
debit 0 pt: débito; débitos; debito; saída; saídas; saque; despesa; a débito; montante débito; levantamento
debit 0 pl: obciążenia; obciążenie; wypływy; wypływ; wydatki; wydatek; kwota obciążenia; debet; wypłaty; wypłata; winien; kwota winien; wn
debit 0 cs: výdaj; výdaje; odepsáno; vydání; debet; má dáti; na vrub; odchozí; odchozí částka; výběr
debit 0 sk: výdaj; výdavky; debet; odpísané; na ťarchu
debit 0 hu: terhelés; kiadás; terhelések; tartozik; terhelés összege; kiadások; kifizetés
debit 0 sv: uttag; ut; utgift; utgifter; debet; utbetalning; köp; belopp ut; utbetalt
debit 0 da: hævet; ud; udgift; udgifter; debet; udbetaling; udbetalt; træk
debit 0 no: ut; uttak; ut fra konto; utgift; utbetaling; belastet; ut av konto; debet; betalt ut
debit 0 fi: otto; veloitus; menot; meno; debet; panot otot ulos; ulos
debit 0 ro: debit; plăți; cheltuieli; ieșiri
debit 0 tr: borç; çıkan; gider; harcama
debit 0 hr: isplata; isplate; duguje; na teret; zaduženje; teret
credit 0 en: credit; credits; credit amount; credit amt; amount credit; amount credited; deposit; deposits; deposit amt; deposit amount; inflow; money in; paid in; amount in; in; incoming; incomings; cr; credited; received; income; payments in; payment in; payments; cr amount; amount received; inflows; lodgement; lodgements; credit value; credit transactions
credit 0 de: haben; gutschrift; einnahme; einnahmen; gutschriften; eingang; betrag haben; haben betrag; zugang; einzahlung; gutschrift in; zahlungseingang
credit 0 fr: crédit; credit; recette; recettes; crédits; dépôt; dépôts; entrée; entrées; montant crédit; crédit euros; montant au crédit; crédit en; versement
credit 0 es: abono; abonos; crédito; haber; ingreso; ingresos; depósito; depósitos; entrada; entradas; créditos; importe abono
credit 0 it: accredito; accrediti; avere; entrate; entrata; entrate in; importo accredito; versamenti
credit 0 nl: bij; credit; inkomsten; inkomst; bijschrijving; bijgeschreven; bedrag bij; inkomend
credit 0 pt: crédito; créditos; credito; entrada; entradas; depósito; receita; a crédito; montante crédito
credit 0 pl: uznania; uznanie; wpływy; wpływ; przychody; przychód; kwota uznania; wpłaty; wpłata; ma; kwota ma
credit 0 cs: příjem; příjmy; připsáno; kredit; dal; ve prospěch; příchozí; příchozí částka; vklad
credit 0 sk: príjem; príjmy; kredit; pripísané; v prospech
credit 0 hu: jóváírás; bevétel; jóváírások; követel; jóváírás összege; bevételek; befizetés
credit 0 sv: insättning; insättningar; in; inkomst; inkomster; kredit; inbetalning; belopp in; insatt
credit 0 da: indsat; ind; indtægt; indtægter; kredit; indbetaling; indbetalt
credit 0 no: inn; innskudd; inn på konto; inntekt; innbetaling; godskrevet; kredit; betalt inn
credit 0 fi: pano; hyvitys; tulot; tulo; kredit; sisään
credit 0 ro: credit; încasări; venituri; intrări
credit 0 tr: alacak; giren; gelir
credit 0 hr: uplata; uplate; potražuje; u korist; odobrenje; korist
direction 0 en: debit credit; credit debit; dr cr; cr dr; d c; c d; dc; cd; debit or credit; credit or debit; credit debit indicator; debit credit indicator; indicator; direction; sign; in out; inflow outflow; cr dr indicator; dr/cr; debit credit flag; credit debit flag; cdi; income expense; flow; money in out; balance impact; transaction direction; expense income; plus minus
direction 0 de: soll haben; s h; sh; soll haben kennzeichen; s/h; vorzeichen; richtung; haben soll; umsatz soll haben; soll-/haben-kennung; ein ausgang
direction 0 fr: sens; signe; débit crédit; d c; sens de l'opération; crédit débit
direction 0 es: signo; debe haber; cargo abono; d h; sentido; abono cargo
direction 0 it: segno; dare avere; d a; addebito accredito
direction 0 nl: af bij; bij af; debet credit; d c; debet/credit; credit debet; af/bij
direction 0 pt: débito crédito; d c; sinal; tipo d c; crédito débito
direction 0 pl: obciążenie uznanie; wn ma; strona; typ operacji wn ma; uznanie obciążenie
direction 0 cs: debet kredit; kredit debet; směr platby; směr úhrady; směr; příchozí odchozí; orientace
direction 0 sk: kredit debet; debet kredit; smer; typ obratu
direction 0 hu: bevétel kiadás; terhelés jóváírás; előjel; irány; jóváírás terhelés; t k
direction 0 sv: debet kredit; kredit debet; in ut; plus minus
direction 0 da: debet kredit; ind ud
direction 0 no: debet kredit; inn ut
direction 1 en: type; transaction type; entry type; transaction kind; kind; txn type; trans type; details; tran type; operation
direction 1 de: typ; art; umsatzart
direction 1 fr: type; type d'opération
direction 1 es: tipo; tipo de movimiento
direction 1 it: tipo; tipo movimento
direction 1 nl: type; soort
direction 1 pt: tipo
direction 1 pl: typ; rodzaj
direction 1 cs: typ; typ pohybu; typ transakce
direction 1 hu: típus; tranzakció típusa
direction 1 sv: typ
balance 0 en: balance; running balance; account balance; balance after; available balance; running bal; ledger balance; closing balance; current balance; balance after transaction; ending balance; bal; statement balance; balance amount; new balance; cleared balance; end balance; balance total
balance 0 de: saldo; kontostand; saldo nach buchung; neuer saldo; endsaldo; saldo in; buchungssaldo; kontosaldo
balance 0 fr: solde; solde après opération; solde comptable; nouveau solde; solde en
balance 0 es: saldo; saldo contable; saldo posterior; saldo disponible; saldo tras operación
balance 0 it: saldo; saldo contabile; saldo finale; saldo progressivo; saldo disponibile
balance 0 nl: saldo; saldo na trn; saldo na mutatie; saldo na boeking; resulterend saldo; eindsaldo; saldo na
balance 0 pt: saldo; saldo contabilístico; saldo disponível; saldo após
balance 0 pl: saldo; saldo po operacji; saldo końcowe; stan rachunku; saldo po transakcji
balance 0 cs: zůstatek; saldo; zůstatek po; konečný zůstatek; zůstatek účtu; zůstatek po pohybu
balance 0 sk: zostatok; zostatok po
balance 0 hu: egyenleg; könyvelt egyenleg; záróegyenleg; számlaegyenleg; új egyenleg
balance 0 sv: saldo; bokfört saldo; disponibelt belopp; tillgängligt belopp
balance 0 da: saldo; bogført saldo; disponibel
balance 0 no: saldo; bokført saldo; disponibelt
balance 0 fi: saldo; tilin saldo
balance 0 ro: sold; sold final
balance 0 tr: bakiye
balance 0 hr: stanje; saldo
other_balance 0 en: opening balance; initial balance; beginning balance; balance before; previous balance; starting balance
currency 0 en: currency; currency code; ccy; cur; curr; transaction currency; account currency; amount currency; balance currency; currency symbol; iso currency; fund currency code
currency 0 de: währung; waehrung; whg; whg.; buchungswährung; kontowährung; wkz; devise; währungscode; wrg
currency 0 fr: devise; monnaie; devise du compte
currency 0 es: divisa; moneda; div; divisa cuenta
currency 0 it: divisa; valuta; div
currency 0 nl: munt; devies; valuta; muntsoort; muntcode; muntstuk; munteenheid
currency 0 pt: moeda; divisa
currency 0 pl: waluta; waluta rachunku; waluta operacji
currency 0 cs: měna; měna účtu; mena; měna zaúčtování
currency 0 sk: mena; mena účtu
currency 0 hu: devizanem; devizaneme; összeg devizaneme; deviza; pénznem; devizanem kódja; tranzakció devizaneme; számla devizaneme
currency 0 sv: valuta; myntslag
currency 0 da: valuta
currency 0 no: valuta
currency 0 fi: valuutta
currency 0 ro: valută; moneda
currency 0 tr: döviz; para birimi; döviz cinsi
currency 0 hr: valuta
other_currency 0 en: original currency; local currency; foreign currency; counter currency; source currency; target currency; fee currency; exchange to; exchange from; transfer total currency; transfer fee currency; order currency; type foreign currency; original currency code
other_currency 0 de: originalwährung; fremdwährung
other_currency 0 nl: oorspr munt; oorspronkelijke munt; vreemde valuta
other_currency 0 cs: původní měna
other_currency 0 pl: waluta oryginalna; waluta transakcji
description 0 en: description; transaction description; details; memo; narrative; narration; particulars; transaction details; memo description; text; payment details; purpose; payment reference; message; transaction narrative; transaction; transaction remarks; remarks; details of transaction; transaction particulars; statement description; booking text; reference text; comment; note; notes; item; desc; payment description; description of transaction
description 0 de: verwendungszweck; beschreibung; buchungsdetails; transaktionsbeschreibung; vorgang verwendungszweck; mitteilung; buchungsinformation; zahlungszweck; text; buchungstext verwendungszweck; avisierungstext; beschreibung1; details; umsatztext; zahlungsgrund; mitteilungen; notiz
description 0 fr: libellé; libelle; libellé de l'opération; libellé opération; libellé complet; description; détail; détails; communication; motif; nature de l'opération; intitulé; remarque; désignation; communications; label; détail de l'écriture
description 0 es: concepto; descripción; detalle; detalles; descripción operación; concepto ampliado; observaciones; movimiento; descripción del movimiento; glosa
description 0 it: descrizione; causale; descrizione operazione; descrizione estesa; operazione; dettagli; causale descrizione; note
description 0 nl: omschrijving; mededelingen; beschrijving; mededeling; details; toelichting; omschrijving transactie; vrije mededeling; gestructureerde mededeling
description 0 pt: descrição; histórico; descritivo; detalhes; lançamento; título; descrição do movimento; descrição da operação; estabelecimento; memo
description 0 pl: opis operacji; opis transakcji; opis; tytuł; tytułem; tytuł operacji; szczegóły transakcji; dane transakcji; szczegóły
description 0 cs: popis; zpráva; zpráva pro příjemce; popis transakce; poznámka; zpráva pro mne; popis pohybu; text; účel; popis pro mne; informace
description 0 sk: popis; správa; informácia pre príjemcu; poznámka; popis transakcie; účel
description 0 hu: közlemény; leírás; megjegyzés; közlemény leírás; tranzakció leírása; megnevezés; narratíva; forgalom megnevezése
description 0 sv: beskrivning; text; meddelande; transaktion; rubrik; specifikation; transaktionstext; notering
description 0 da: tekst; beskrivelse; meddelelse; posteringstekst; bemærkning; tekst til modtager
description 0 no: beskrivelse; tekst; forklaring; melding; forklarende tekst; transaksjonstekst
description 0 fi: selite; viesti; kuvaus; viite viesti; selitys; tapahtuman selite; otsikko
description 0 ro: descriere; detalii; detalii tranzacție; explicații; detalii tranzactie
description 0 tr: açıklama; işlem açıklaması
description 0 hr: opis; opis plaćanja; opis transakcije; svrha
description 1 en: original description; full description; memo notes; reference; payment info; additional information; extended details; subject; item title; title; transaction type description; item1; item2; notes and tags; activity; action; customer reference; information; bank description; check description; transaction text; short description; simple description; display name
description 1 de: buchungstext; referenz; kundenreferenz; zusatztext; transaktionsbeschreibung zusatz; zahlungsreferenz; verwendungszweckzeile 1; betreff; verwendungszweck 1; info
description 1 fr: libellé simplifié; référence; informations complémentaires; commentaire; libellé court; libellé 2; note
description 1 es: observación; referencia; más datos; notas
description 1 nl: betalingskenmerk; kenmerk; notitie; opmerking
description 1 pl: tytuł płatności; informacje dodatkowe; referencje
description 1 sv: referens
description 1 hu: részletek; típus megnevezése; hivatkozás
merchant 0 en: payee; merchant; merchant name; counterparty; counterparty name; counter party; beneficiary; beneficiary name; payee name; vendor; payer; payer payee; payee payer; recipient; sender; recipient name; name; partner name; partner; other party; contact; to; merchant description; supplier; store; payee original; to account; destination name; name description; description name; opposite account name; counter party name; payer or payee; destination; third party; remitter; client name; beneficiary or payer
merchant 0 de: beguenstigter zahlungspflichtiger; begünstigter zahlungspflichtiger; begünstigter; auftraggeber empfänger; auftraggeber begünstigter; auftraggeber; empfänger; empfaenger; zahlungsempfänger; zahlungspflichtiger; zahlungsbeteiligter; name zahlungsbeteiligter; partnername; name; empfänger auftraggeber; zahlungspflichtige r; zahlungsempfänger in; zahlungsempfänger*in; händler; gegenpartei; partner name; sender empfänger; auftraggeber zahlungsempfänger; empfängername; auftraggebername; name des partners; beguenstigter auftraggeber; sender empfaenger
merchant 0 fr: bénéficiaire; tiers; marchand; commerçant; contrepartie; nom de la contrepartie; nom contrepartie; émetteur; nom; destinataire; enseigne; nom du tiers; nom de la contrepartie contient; donneur d'ordre
merchant 0 es: beneficiario; ordenante; comercio; destinatario; establecimiento; nombre; contraparte; beneficiario ordenante; ordenante beneficiario; proveedor
merchant 0 it: beneficiario; ordinante; esercente; controparte; beneficiario ordinante; ordinante beneficiario; destinatario; nome; negozio
merchant 0 nl: naam tegenpartij; tegenpartij; naam omschrijving; naam; handelaar; begunstigde; naam tegenrekening; tegenrekening naam; winkel; naam ontvanger; naam van de tegenpartij; tegenpartij naam; naam tegenpartij bevat
merchant 0 pt: beneficiário; favorecido; comerciante; destinatário; ordenante; nome; contraparte
merchant 0 pl: kontrahent; nazwa kontrahenta; dane kontrahenta; nadawca odbiorca; nadawca / odbiorca; odbiorca nadawca; nazwa odbiorcy; odbiorca; nadawca; nazwa nadawcy odbiorcy; nazwa odbiorcy nadawcy; dane odbiorcy nadawcy
merchant 0 cs: název protiúčtu; protistrana; název obchodníka; obchodník; příjemce; jméno protistrany; název protistrany; plátce; obchodní místo; partner; název příjemce; název účtu protistrany; obchodní název; jméno protiúčtu; partner name
merchant 0 sk: názov protiúčtu; protistrana; partner; príjemca; obchodník; názov partnera; názov protistrany
merchant 0 hu: partner neve; partner; kedvezményezett; kereskedő; ellenoldali név; partner név; kedvezményezett neve; ellenszámla neve; ellenoldali számla neve; kereskedő neve; ellenpartner neve
merchant 0 sv: mottagare; motpart; betalningsmottagare; avsändare mottagare; namn; avsändare; mottagare avsändare; butik; handlare; namn på motpart; betalningsmottagare avsändare; inköpsställe
merchant 0 da: modtager; navn; afsender; modtager afsender; forretning; modparts navn; modpart; indbetaler
merchant 0 no: mottaker; motpart; navn; betaler mottaker; butikk; mottakernavn; avsender mottaker; mottaker avsender; brukersted
merchant 0 fi: saaja maksaja; saaja; maksaja; saajan nimi; nimi; saaja / maksaja; maksaja saaja; kauppias; vastapuoli
merchant 0 ro: beneficiar; ordonator; comerciant; plătitor; nume
merchant 0 hr: primatelj; platitelj; naziv primatelja; trgovac; naziv
category 0 en: category; categories; spending category; budget category; category name; budget; category hint; merchant category; group
category 1 en: subcategory; sub category; tags; master category; labels; category group; category group category; mcc description; class; category split
category 0 de: kategorie; hauptkategorie; ausgabenkategorie
category 0 fr: catégorie; rubrique; catégorie parent; sous catégorie
category 0 es: categoría; rubro; subcategoría
category 0 it: categoria; categoria; sottocategoria
category 0 nl: categorie; rubriek
category 0 pt: categoria
category 0 pl: kategoria
category 0 cs: kategorie; kategorie transakce
category 0 sk: kategória
category 0 hu: kategória; költési kategória
category 0 sv: kategori
category 0 da: kategori; underkategori; hovedkategori
category 0 no: kategori; underkategori; hovedkategori
category 0 fi: luokka; kategoria
category 0 ro: categorie
payment_method 0 en: payment method; payment type; transaction type; transfer payment method; method; transaction method; payment method type; funding source; channel; payment channel; type of transaction; transaction category; txn type; transaction code; trans type; booking type; type; reporting category; kind; trans code; instrument; transaction kind
payment_method 0 de: buchungstext; umsatzart; zahlungsart; vorgang; transaktionsart; buchungsart; zahlungsmethode; umsatztyp; geschäftsvorfall; typ; art; transaktionstyp; buchungstyp; auftragsart; vorgangsart
payment_method 0 fr: type d'opération; type; moyen de paiement; mode de paiement; type de transaction; type opération; nature
payment_method 0 es: tipo; tipo de operación; método de pago; tipo de movimiento; medio de pago; forma de pago
payment_method 0 it: tipo; tipo operazione; tipologia; metodo di pagamento; tipo movimento; canale; tipo transazione
payment_method 0 nl: mutatiesoort; type; soort; transactiesoort; betaalwijze; transactie type; boekingssoort; transactietype; soort transactie; code; type verrichting; type transactie
payment_method 0 pt: tipo; tipo de movimento; meio de pagamento; tipo de operação; tipo de transação
payment_method 0 pl: rodzaj operacji; typ transakcji; typ operacji; rodzaj transakcji; typ; rodzaj; metoda płatności
payment_method 0 cs: typ transakce; typ pohybu; typ; způsob platby; typ operace; druh pohybu; název transakce; typ platby; druh transakce
payment_method 0 sk: typ transakcie; typ; druh transakcie; typ pohybu
payment_method 0 hu: tranzakció típusa; tranzakciótípus; típus; művelet típusa; fizetési mód; forgalom típusa; típuskód
payment_method 0 sv: transaktionstyp; typ; betalningstyp; typ av transaktion; transaktionskod
payment_method 0 da: type; transaktionstype; betalingsmåde; posteringstype
payment_method 0 no: type; transaksjonstype; betalingstype; arkivref type; betalingsart; undertype
payment_method 0 fi: laji; tapahtumalaji; tyyppi; tapahtumatyyppi; maksutapa
payment_method 0 ro: tip tranzacție; tip; tip tranzactie
account 0 en: account; account name; account number; account no; from account; own account; source account; bank account; account id; acct; account handle; my account; account iban; own iban; account nickname; account nr; account details; source name; acct no; iban number
account 0 de: auftragskonto; iban auftragskonto; bezeichnung auftragskonto; eigenes konto; konto; kontoname; kontobezeichnung; iban des auftragskontos; auftraggeberkonto; name des kontos; kontonummer des auftraggebers; eigene iban; abrechnungskonto
account 0 fr: compte; numéro de compte; numéro compte; n° de compte; libellé compte; nom du compte; compte num; accountnum; accountlabel; numéro du compte; libellé du compte; iban du compte
account 0 es: cuenta; número de cuenta; cuenta origen; cuenta cargo; nº cuenta; producto; cuenta propia
account 0 it: conto; numero conto; conto corrente; conto addebito; rapporto; conto o carta
account 0 nl: rekening; rekeningnummer; iban bban; eigen rekening; eigen rekeningnummer; bankrekening; iban/bban; rekening nummer; naam van rekening
account 0 pt: conta; número da conta; conta de origem; conta origem; nº conta
account 0 pl: rachunek; numer rachunku; nr rachunku; konto; nazwa rachunku; numer konta; rachunek własny; mój rachunek; produkt
account 0 cs: číslo účtu; účet; název účtu; vlastní číslo účtu; můj účet; vlastní účet; č účtu; cislo uctu
account 0 sk: číslo účtu; účet; iban účtu; vlastný účet
account 0 hu: számlaszám; számla; számla száma; saját számlaszám; számlaszáma; könyvelési számla
account 0 sv: konto; kontonummer; kontonamn; från konto; clearing kontonummer; kontonr
account 0 da: konto; kontonummer; kontonavn; eget konto; fra konto
account 0 no: konto; kontonummer; kontonavn; fra konto; egen konto; konto nr
account 0 fi: tili; tilinumero; tilin nimi; oma tili; tilin iban
account 0 ro: cont; număr cont; iban cont
account 1 en: iban
account 1 de: kontonummer; iban; konto nr; kontonummer iban
account 1 hr: iban; račun; broj računa
other_account 0 en: counterparty account; counterparty iban; partner iban; partner account number; partner account; beneficiary account; beneficiary account number; recipient account; other account; account to; to iban; account holder; account type; account owner; account currency; payee account; sender account; destination account; receiving account; payee account number; contra account; counter account; counterparty account number; counter party account
other_account 0 de: kontonummer iban des zahlungsbeteiligten; kontonummer zahlungsbeteiligter; iban zahlungsbeteiligter; gegenkonto; iban des partners; empfängerkonto; iban gegenkonto; partner iban; iban zahlungsempfänger; kontonummer bankleitzahl
other_account 0 nl: tegenrekening; tegenrekening iban bban; rekening tegenpartij; naar rekening; rekeningnummer tegenpartij
other_account 0 cs: protiúčet; číslo protiúčtu; účet protistrany; číslo účtu protistrany; účet příjemce
other_account 0 hu: partner számlaszáma; partner számlaszám; ellenszámla; ellenoldali számlaszám; partner számla
other_account 0 pl: numer rachunku kontrahenta; rachunek odbiorcy; numer konta kontrahenta; rachunek kontrahenta; rachunek nadawcy odbiorcy; numer rachunku nadawcy odbiorcy; numer rachunku odbiorcy nadawcy; na rachunek; rachunek przeciwstawny
other_account 0 fr: compte bénéficiaire; iban contrepartie; compte contrepartie; compte de la contrepartie; compte partie adverse
other_account 0 sv: motkonto; till konto; mottagarkonto
other_account 0 no: til konto; til konto; mottakerkonto; motkonto
other_account 0 da: til konto; modkonto
other_account 0 fi: saajan tilinumero; saajan tili; vastatili
status 0 en: status; state; transaction status; cleared; payment status; booking status; reconciled; transaction state; posting status; pending
status 0 de: status; zustand; buchungsstatus; info; umsatzstatus; transaktionsstatus
status 0 fr: statut; état; statut de l'opération
status 0 es: estado; situación
status 0 it: stato; stato operazione; stato movimento
status 0 nl: status; staat; transactiestatus
status 0 pt: estado; situação; status
status 0 pl: status; stan; stan transakcji; status transakcji; status operacji
status 0 cs: stav; stav transakce; stav platby
status 0 hu: állapot; státusz; tranzakció státusza
status 0 sv: status
status 0 da: status; tilstand; afstemt
status 0 no: status; bokført reservert
status 0 fi: tila
status 0 ro: stare; status
source_id 0 en: transaction id; transactionid; txn id; trans id; id; fitid; unique id; balance transaction id; transferwise id; payment id; uuid; transaction identifier; transaction unique id; entry reference; internal transaction id; bank transaction id; txid; transaction no; transaction number; trn id; stripe transaction id
source_id 0 de: transaktions id; transaktionsnummer; buchungsreferenz; umsatz id; transaktionsreferenz; transaktions nr; transaktions nr.; id
source_id 0 fr: identifiant; id transaction; numéro de transaction; référence de l'opération; identifiant de transaction; id opération; référence banque
source_id 0 es: id; identificador; número de operación; id transacción; nº operación; número de transacción; número de movimiento
source_id 0 it: id transazione; numero operazione; id operazione; codice transazione; codice identificativo
source_id 0 nl: volgnr; volgnummer; transactie id; transactiereferentie; transactienummer
source_id 0 pt: identificador; id transação; número da operação
source_id 0 pl: numer referencyjny; numer transakcji; id transakcji; nr transakcji; numer operacji; nr operacji; id operacji; nr transakcji
source_id 0 cs: id transakce; číslo transakce; id pohybu; id operace; reference transakce; kód transakce; referenční číslo
source_id 0 sk: id transakcie; referencia; číslo transakcie; referencia platiteľa
source_id 0 hu: tranzakcióazonosító; tranzakció azonosító; megbízás azonosító; tranzakció azonosítója; azonosító; archiválási azonosító
source_id 0 sv: verifikationsnummer; transaktions id; arkivreferens; transaktionsnummer
source_id 0 da: transaktions id; arkivreference; transaktionsnummer
source_id 0 no: arkivreferanse; transaksjons id; arkivref; numref; transaksjonsid
source_id 0 fi: arkistointitunnus; tapahtumatunnus; arkistotunnus
source_id 1 en: reference number; reference no; ref no; ref; ref number; bank reference; transaction reference; ref no cheque no; reference; chq ref no; txn ref; transaction ref; transaction reference number
source_id 1 de: referenznummer; bankreferenz
source_id 1 es: referencia; número de referencia
quantity 0 en: quantity; qty; units; shares; number of shares; no of shares; share quantity
quantity 0 de: stück; stückzahl; anteile; nominale; anzahl; stk nominal
quantity 0 fr: quantité; nombre de parts; qté
quantity 0 es: títulos; participaciones
quantity 0 it: quantità; quote
quantity 0 nl: aantal; stuks
quantity 0 pl: liczba; ilość; liczba jednostek
quantity 0 sv: antal; antal andelar
quantity 0 da: antal; stk
price 0 en: price; unit price; share price; price per share; price per unit; execution price; trade price; fill price; quote price
price 0 de: kurs; ausführungskurs; preis; stückpreis; preis pro stück; kurswert
price 0 fr: cours; prix; prix unitaire
price 0 es: precio; cotización; precio unitario
price 0 it: prezzo; quotazione
price 0 nl: koers; prijs; prijs per stuk
price 0 pl: cena; kurs; cena jednostkowa
price 0 sv: kurs; pris
price 0 da: kurs; pris
security 0 en: ticker; symbol; isin; security; cusip; instrument; stock; fund name; security description; sedol; ticker symbol; investment name
security 0 de: wertpapier; wkn; isin; wertpapierbezeichnung; isin wkn
security 0 fr: isin; valeur mobilière; titre; code isin
card 0 en: card number; card no; card member; cardholder; cardholder name; card; mcc; merchant category code; merchant category; card last 4; card ending; card account; masked card number; authorisation code; last 4; card last 4 digits; appears on your statement as
card 0 de: kartennummer; karteninhaber; kreditkarte; umsatz getätigt von
card 0 fr: carte; numéro de carte; porteur; titulaire de la carte
card 0 nl: kredietkaart; kaartnummer; kaarthouder; kaart
card 0 es: tarjeta; número de tarjeta; titular
card 0 pl: numer karty; karta
card 0 cs: číslo karty; držitel karty
"""


def _parse(table: str) -> dict[str, dict[str, tuple[int, frozenset[str]]]]:
    raw: dict[str, dict[str, tuple[int, set[str]]]] = {}
    for line in table.strip().splitlines():
        head, names = line.split(":", 1)
        field, rank, language = head.split()
        for name in names.split(";"):
            known = raw.setdefault(field, {})
            best, languages = known.setdefault(fold(name), (int(rank), set()))
            if int(rank) < best:
                best = int(rank)
            known[fold(name)] = best, languages | {language}
    return {f: {n: (r, frozenset(ls)) for n, (r, ls) in names.items() if n} for f, names in raw.items()}


# field -> folded name -> (rank, languages that write it so)
NAMES: dict[str, dict[str, tuple[int, frozenset[str]]]] = _parse(_TABLE)
