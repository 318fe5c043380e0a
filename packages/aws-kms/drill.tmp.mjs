import { KMSClient, GenerateDataKeyCommand, CreateKeyCommand, DescribeKeyCommand } from "@aws-sdk/client-kms";
import { writeFileSync } from "node:fs";
const c = [4601,4602].map(p=>new KMSClient({endpoint:`http://127.0.0.1:${p}`,region:"local",credentials:{accessKeyId:"AKIAIOSFODNN7EXAMPLE",secretAccessKey:"x"},maxAttempts:1}));
const made=[]; let ok=0; const errs={}; let lastOk=Date.now(), gap=0;
const end=Date.now()+Number(process.argv[2])*1000;
let i=0;
const work=async()=>{ while(Date.now()<end){ const k=c[i++%2]; const t=Date.now();
 try { if(i%10===0){ const r=await k.send(new CreateKeyCommand({Description:`d${i}`})); made.push(r.KeyMetadata.KeyId);} else await k.send(new GenerateDataKeyCommand({KeyId:"alias/app",NumberOfBytes:32}));
  ok++; const n=Date.now(); if(n-lastOk>gap){gap=n-lastOk; console.log(new Date().toISOString(),"gap",gap);} lastOk=n;
 } catch(e){ const n=`${e.name} ${e.$metadata?.httpStatusCode}`; errs[n]=(errs[n]??0)+1; console.log(new Date().toISOString(), n, e.message.slice(0,120), Date.now()-t,"ms"); } } };
await Promise.all(Array.from({length:8},work));
let lost=0; for(const k of made){ try{ await c[0].send(new DescribeKeyCommand({KeyId:k})); }catch(e){lost++; console.log("LOST",k,e.message)} }
console.log({ok,errs,made:made.length,lost,gap});
